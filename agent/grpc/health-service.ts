import { type Server, type ServerWritableStream, status } from "@grpc/grpc-js";
import { parseService } from "../../lib/grpc/proto-service.ts";
import protoText from "./health.proto" with { type: "text" };

interface HealthCheckRequest {
  readonly service: string;
}
interface HealthCheckResponse {
  readonly status: number;
}
interface HealthListResponse {
  readonly statuses: Readonly<Record<string, HealthCheckResponse>>;
}
type WatchStream = Pick<
  ServerWritableStream<HealthCheckRequest, HealthCheckResponse>,
  "request" | "write" | "end" | "on"
>;

const serviceName = "grpc.health.v1.Health";
const health = parseService(protoText, serviceName);
const methods = {
  Check: health.method<HealthCheckRequest, HealthCheckResponse>("Check"),
  List: health.method<Record<never, never>, HealthListResponse>("List"),
  Watch: health.method<HealthCheckRequest, HealthCheckResponse>("Watch"),
} as const;

const serving = 1;
const notServing = 2;
const serviceUnknown = 3;

/**
 * Says of the server as a whole (the empty name) and of each of `services` that it is served, from the start until
 * `stopServing`: then whoever watches is told so first, and goes elsewhere before the listener is gone.
 */
export function addHealthService(server: Server, services: readonly string[]): { stopServing(): void } {
  const known = new Set(["", serviceName, ...services]);
  const watchers = new Set<WatchStream>();
  let current = serving;
  server.addService(methods, {
    Check(
      { request }: { readonly request: HealthCheckRequest },
      callback: (error: { code: status; details: string } | null, answer?: HealthCheckResponse) => void,
    ) {
      if (known.has(request.service)) callback(null, { status: current });
      else callback({ code: status.NOT_FOUND, details: `unknown service "${request.service}"` });
    },
    List(_call: unknown, callback: (error: null, answer: HealthListResponse) => void) {
      callback(null, { statuses: Object.fromEntries([...known].map((name) => [name, { status: current }])) });
    },
    Watch(stream: WatchStream) {
      stream.write({ status: known.has(stream.request.service) ? current : serviceUnknown });
      watchers.add(stream);
      for (const event of ["cancelled", "close", "error"]) stream.on(event, () => watchers.delete(stream));
    },
  });
  return {
    stopServing() {
      current = notServing;
      for (const stream of watchers) {
        if (known.has(stream.request.service)) stream.write({ status: notServing });
        stream.end();
      }
      watchers.clear();
    },
  };
}
