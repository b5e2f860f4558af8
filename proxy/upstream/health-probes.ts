import { mustGet } from "../../lib/base/assert.ts";
import { type HealthCheckConfig, statusRange } from "../../lib/contract/proxy-health-check.ts";
import { FieldBlock } from "../message/field-block.ts";
import { checkRequest, RequestHead } from "../message/request-head.ts";
import type { ResponseHead } from "../message/response-head.ts";
import { encodeHealthRequest, grpcHealthPath, isServing } from "../resilience/health-check/grpc-health.ts";
import type { CheckFailure, StartProbe } from "../resilience/health-check/probe.ts";
import type { ConnectResult } from "../transport/transport.ts";
import type { EndpointPool } from "./endpoint-pool.ts";
import { RequestProbe, type RequestProbeOptions } from "./request-probe.ts";

/** So that applications can tell checks from calls, as Envoy's do. */
const userAgent = "Atoll/HC";

/** The ways to one endpoint: for requests a pool of its own, so that checks neither wait for calls nor hold them up. */
export interface WaysToCheck {
  readonly pool: EndpointPool;
  readonly connect: (onResult: (result: ConnectResult) => void) => void;
}

/** How an endpoint is asked how it is; made once for all of its checks. `host` is what it is called when the configuration says nothing. */
export function createProbe(config: HealthCheckConfig, host: string, { pool, connect }: WaysToCheck): StartProbe {
  if (config.type === "tcp") return (onResult) => probeConnection(connect, onResult);
  const request = config.type === "http" ? httpRequest(config, host) : grpcRequest(config, host);
  return (onResult) => new RequestProbe(pool, request, onResult);
}

function probeConnection(
  connect: WaysToCheck["connect"],
  onResult: (failure: CheckFailure | undefined) => void,
): ReturnType<StartProbe> {
  let isCancelled = false;
  connect((result) => {
    if (result.ok) result.connection.destroy();
    if (!isCancelled) onResult(result.ok ? undefined : "connect");
  });
  return {
    cancel: () => {
      isCancelled = true;
    },
  };
}

function httpRequest(config: HealthCheckConfig, host: string): RequestProbeOptions {
  const ranges = config.expectedStatuses.map(statusRange);
  return {
    head: headOf(config.method, config.path, config.host ?? host, []),
    body: undefined,
    judge: ({ status }) => (ranges.some(({ first, last }) => status >= first && status <= last) ? undefined : "status"),
  };
}

function grpcRequest(config: HealthCheckConfig, host: string): RequestProbeOptions {
  const body = encodeHealthRequest(config.grpcService);
  const fields = ["content-type", "application/grpc", "te", "trailers", "content-length", `${body.length}`];
  return {
    head: headOf("POST", grpcHealthPath, config.host ?? host, fields),
    body,
    judge: (response, answer, trailers) => {
      if (response.status !== 200 || grpcStatusOf(response, trailers) !== "0") return "status";
      return isServing(answer) ? undefined : "not_serving";
    },
  };
}

function grpcStatusOf({ block }: ResponseHead, trailers: FieldBlock | undefined): string | undefined {
  return trailers?.get("grpc-status") ?? block.get("grpc-status");
}

function headOf(method: string, path: string, host: string, more: readonly string[]): RequestHead {
  const target = [":method", method, ":scheme", "http", ":authority", host, ":path", path];
  const block = new FieldBlock([...target, "user-agent", userAgent, ...more]);
  block.isShared = true;
  const head = checkRequest(block);
  return mustGet(head instanceof RequestHead ? head : undefined, "the schema lets only paths and hosts through");
}
