/**
 * What Consul's servers answer over gRPC to programs that have no agent beside them: which servers there are, what a proxy's
 * manager can have of them, logging in and out. Tokens come in the metadata `x-consul-token`.
 */
import { type Metadata, type sendUnaryData, type Server, type ServerWritableStream, status } from "@grpc/grpc-js";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { toRpcStatus } from "../../lib/client/rpc-errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { parseService } from "../../lib/grpc/proto-service.ts";
import { tokenHeader } from "../../lib/http/request-token.ts";
import type { ForwardHandler } from "../local-link.ts";
import type { BlockingReader } from "../state/reader.ts";
import aclText from "./acl.proto" with { type: "text" };
import dataplaneText from "./dataplane.proto" with { type: "text" };
import { type Login, logIn, logOut, type LoginToken } from "./login-calls.ts";
import { Refusal } from "./refusal.ts";
import discoveryText from "./server-discovery.proto" with { type: "text" };
import { watchServers, type WireServer } from "./server-watch.ts";

export interface ConsulServicesOptions {
  readonly blocking: BlockingReader;
  readonly isAclEnabled: boolean;
  /** Rejects for a token that is not known. */
  readonly resolveToken: (secret: string) => Promise<unknown>;
  /** Runs a `/v1` request on this server. */
  readonly ask: ForwardHandler;
  /** Ends what goes on by itself. */
  readonly signal: AbortSignal;
  readonly runtime: Runtime;
}

type ServerStream = ServerWritableStream<{ readonly wan: boolean }, { readonly servers: readonly WireServer[] }>;
interface FeatureSupport {
  readonly featureName: number;
  readonly supported: boolean;
}

const names = {
  discovery: "hashicorp.consul.serverdiscovery.ServerDiscoveryService",
  dataplane: "hashicorp.consul.dataplane.DataplaneService",
  acl: "hashicorp.consul.acl.ACLService",
} as const;
const discovery = parseService(discoveryText, names.discovery);
const dataplane = parseService(dataplaneText, names.dataplane);
const acl = parseService(aclText, names.acl);

/** By the numbers of dataplane.proto. Proxies here get their configuration from their agent alone. */
const features: readonly FeatureSupport[] = [
  { featureName: 1, supported: true },
  { featureName: 2, supported: false },
  { featureName: 3, supported: false },
];

/** Returns the full names of the services. */
export function addConsulServices(server: Server, options: ConsulServicesOptions): readonly string[] {
  const { isAclEnabled, resolveToken, ask, signal } = options;
  const logger = options.runtime.logger.child("grpc");
  /** Any token will do, but there has to be one where there are ACLs. */
  const demandToken = async (metadata: Metadata): Promise<void> => {
    if (!isAclEnabled) return;
    const [secret = ""] = metadata.get(tokenHeader);
    if (secret === "")
      throw new Refusal(status.UNAUTHENTICATED, `ACLs are on: send a token in the metadata ${tokenHeader}`);
    await resolveToken(String(secret)).catch((thrown: unknown) => {
      throw thrown instanceof AtollError && thrown.code === "PERMISSION_DENIED"
        ? new Refusal(status.UNAUTHENTICATED, thrown.message)
        : thrown;
    });
  };
  const statusOf = (method: string, thrown: unknown): Pick<ReturnType<typeof toRpcStatus>, "code" | "details"> => {
    if (thrown instanceof Refusal) return { code: thrown.code, details: thrown.message };
    if (!(thrown instanceof AtollError)) logger.error("a gRPC call failed", { method, error: errorMessage(thrown) });
    return toRpcStatus(thrown);
  };
  const unary =
    <Request, Response>(method: string, work: (call: UnaryCall<Request>) => Promise<Response>) =>
    (call: UnaryCall<Request>, callback: sendUnaryData<Response>): void => {
      work(call).then(
        (response) => callback(null, response),
        (thrown: unknown) => callback(statusOf(method, thrown)),
      );
    };

  server.addService(
    { WatchServers: discovery.method("WatchServers") },
    {
      WatchServers(stream: ServerStream) {
        const ended = new AbortController();
        for (const event of ["cancelled", "close", "error"]) stream.on(event, () => ended.abort());
        watchServers({
          blocking: options.blocking,
          signal: AbortSignal.any([signal, ended.signal]),
          demandToken: () => demandToken(stream.metadata),
          send: (servers) => stream.write({ servers }),
        }).then(
          () => stream.emit("error", { code: status.UNAVAILABLE, details: "this server is stopping" }),
          (thrown: unknown) => stream.emit("error", statusOf("WatchServers", thrown)),
        );
      },
    },
  );
  server.addService(
    { GetSupportedDataplaneFeatures: dataplane.method("GetSupportedDataplaneFeatures") },
    {
      GetSupportedDataplaneFeatures: unary("GetSupportedDataplaneFeatures", async ({ metadata }) => {
        await demandToken(metadata);
        return { supportedDataplaneFeatures: features };
      }),
    },
  );
  server.addService(
    { Login: acl.method("Login"), Logout: acl.method("Logout") },
    {
      Login: unary<Login, { readonly token: LoginToken }>("Login", async ({ request }) => ({
        token: await logIn(ask, request, signal),
      })),
      Logout: unary<{ readonly token: string; readonly datacenter: string }, object>("Logout", async ({ request }) => {
        await logOut(ask, request, signal);
        return {};
      }),
    },
  );
  return Object.values(names);
}

interface UnaryCall<Request> {
  readonly request: Request;
  readonly metadata: Metadata;
}
