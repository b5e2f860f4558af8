import { maskedUrl } from "../../../lib/contract/secret-fields.ts";
import type { Observation } from "../../exchange/observation.ts";
import { jsonLine } from "../access-log/plain-text.ts";
import type { ListenerObserver } from "../listener-observer.ts";
import { grpcStatus, responseDetails } from "../outcome.ts";
import { responseFlags } from "../response-flags.ts";

const maxPathLength = 4_096;

/** One request as readers of `/tap` see it: no field of the request or the response, secrets in its path masked. */
export function tapLine(observation: Observation, from: ListenerObserver, startedWallMs: number): string {
  const { head, peer, startedMs, firstByteMs, endedMs } = observation;
  const grpc = grpcStatus(observation);
  return jsonLine({
    time: new Date(startedWallMs).toISOString(),
    direction: from.direction,
    service: from.facts.service,
    listener: from.facts.listen,
    caller: peer.peerUri,
    downstream: peer.remoteAddress,
    method: head?.method ?? "",
    authority: head?.authority ?? "",
    path: maskedUrl(head?.path.slice(0, maxPathLength) ?? ""),
    protocol: observation.version,
    route: observation.route,
    cluster: observation.cluster,
    upstream: observation.endpoint,
    attempts: observation.attempts,
    status: observation.status,
    ...(grpc < 0 ? {} : { grpc_status: grpc }),
    flags: responseFlags(observation),
    details: responseDetails(observation),
    bytes_received: observation.requestBytes,
    bytes_sent: observation.responseBytes,
    ...(firstByteMs < 0 ? {} : { first_byte_ms: rounded(firstByteMs - startedMs) }),
    duration_ms: rounded(endedMs - startedMs),
    ...(observation.span === undefined ? {} : { trace_id: observation.span.traceId }),
  });
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
