import type { FaultConfig } from "../lib/contract/proxy-fault.ts";
import type { ShownTreatment } from "../proxy/explain/explanation.ts";

/** What is done to a request beside sending it on, a line each; nothing where there is nothing. */
export function treatmentLines({ fault, hedge, mirrors = [] }: ShownTreatment): string[] {
  return [
    ...(fault === undefined ? [] : [`fault: ${faultText(fault)}`]),
    ...(hedge === undefined
      ? []
      : [`hedge: after ${hedge.delayMs} ms, ${hedge.maxAttempts} attempts; of ${hedge.methods.join(", ")}`]),
    ...mirrors.map(
      ({ cluster, percent, timeoutMs }) => `copy: ${percent} % to cluster ${cluster}, for ${timeoutMs} ms`,
    ),
  ];
}

function faultText({ delay, abort, bandwidth, headers, headerControl, expiresAt, ttlMs }: FaultConfig): string {
  const kinds = [
    ...(delay === undefined ? [] : [`${delay.percent} % held up ${delay.fixedDelayMs} ms`]),
    ...(abort === undefined
      ? []
      : [`${abort.percent} % answered with ${abort.httpStatus ?? `gRPC status ${abort.grpcStatus}`}`]),
    ...(bandwidth === undefined ? [] : [`${bandwidth.percent} % slowed down to ${bandwidth.limitKbps} KiB/s`]),
    ...(headerControl === undefined ? [] : ["what the request asks for, within bounds"]),
  ];
  const conditions = [
    ...(headers.length === 0 ? [] : [`only with ${headers.map(({ name }) => name).join(", ")}`]),
    ...(expiresAt === undefined ? [] : [`until ${expiresAt}`]),
    ...(ttlMs === undefined ? [] : [`for ${ttlMs} ms`]),
  ];
  return [kinds.join(", "), ...conditions].join("; ");
}
