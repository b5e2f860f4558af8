import type { Observation } from "../exchange/observation.ts";
import { headProblems } from "../http1/head.ts";
import { streamProblems } from "../http2/error-codes.ts";
import { requestRuleProblems } from "../message/request-rules.ts";
import type { RequestRefusal } from "./http-counters.ts";

/**
 * Envoy's response flags, which its users look for in logs: one table from our reasons. A reason without a flag is one for which Envoy has
 * none either (its RBAC sets none, and says why in the details, as we do).
 */
type ProtocolRefusal =
  | (typeof headProblems)[number]
  | (typeof streamProblems)[number]
  | (typeof requestRuleProblems)[number]
  | "malformed_body";

const otherFlags: Readonly<Record<Exclude<RequestRefusal, ProtocolRefusal>, string>> = {
  path_redirect: "",
  max_forwards: "",
  denied: "",
  no_route: "NR",
  bad_rewrite: "",
  jwt_missing: "",
  jwt_invalid: "",
  jwks_unavailable: "",
  ext_authz_denied: "UAEX",
  ext_authz_error: "UAEX",
  rate_limited: "RL",
  head_timeout: "DT",
  no_healthy_upstream: "UH",
  connect_failure: "UF",
  overflow: "UO",
  // Envoy's adaptive concurrency sets none; it is an overflow, as that of its circuit breakers.
  concurrency_limit: "UO",
  overload: "OM",
  upstream_lost: "UC",
  malformed_response: "UPE",
  stream_idle_timeout: "SI",
  grpc_deadline: "UT",
  request_timeout: "UT",
  fault_injected: "FI",
};
const flags: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [...headProblems, ...streamProblems, ...requestRuleProblems, "malformed_body"].map((reason) => [reason, "DPE"]),
  ),
  ...otherFlags,
};
/** The same when it had been sent more than once: then retries were exhausted as well. */
const retried: Readonly<Record<string, string>> = { UF: "UF,URX", UC: "UC,URX" };
const undelayed: readonly string[] = [...new Set(["", "DC", ...Object.values(flags), ...Object.values(retried)])];
/** Those that stand before DI, in Envoy's order. */
const beforeDelay: ReadonlySet<string> = new Set(["UH", "UT", "UF", "UC", "UO", "NR"]);
/** The same when a fault has held the request up. */
const delayed: Readonly<Record<string, string>> = Object.fromEntries(
  undelayed.map((text) => {
    const parts = text === "" ? [] : text.split(",");
    const before = parts.filter((flag) => beforeDelay.has(flag));
    return [text, [...before, "DI", ...parts.slice(before.length)].join(",")];
  }),
);
/** All texts that `responseFlags` returns, the empty one first. */
export const flagTexts: readonly string[] = [...undelayed, ...Object.values(delayed)];

const longNames: Readonly<Record<string, string>> = {
  DC: "DownstreamConnectionTermination",
  DI: "DelayInjected",
  DPE: "DownstreamProtocolError",
  DT: "DurationTimeout",
  FI: "FaultInjected",
  NR: "NoRouteFound",
  OM: "OverloadManagerTerminated",
  RL: "RateLimited",
  SI: "StreamIdleTimeout",
  UAEX: "UnauthorizedExternalService",
  UC: "UpstreamConnectionTermination",
  UF: "UpstreamConnectionFailure",
  UH: "NoHealthyUpstream",
  UO: "UpstreamOverflow",
  UPE: "UpstreamProtocolError",
  URX: "UpstreamRetryLimitExceeded",
  UT: "UpstreamRequestTimeout",
};

/** The flags of a request that is over, with commas between them; empty when all went well. The same few texts every time. */
export function responseFlags(observation: Observation): string {
  const flags = undelayedFlags(observation);
  return observation.isDelayed ? (delayed[flags] ?? flags) : flags;
}

/** The same without that a fault has held it up, which is no fault of whoever answered. */
export function undelayedFlags({ refusal, attempts, isClientGone }: Observation): string {
  if (isClientGone) return "DC";
  const flag = refusal === "" ? "" : (flags[refusal] ?? "");
  return attempts > 1 ? (retried[flag] ?? flag) : flag;
}

export function longResponseFlags(short: string): string {
  return short === ""
    ? ""
    : short
        .split(",")
        .map((flag) => longNames[flag] ?? flag)
        .join(",");
}
