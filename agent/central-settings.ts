import type { ResolvedServiceConfig } from "../lib/contract/config-entries.ts";
import { largestConnections, largestMilliseconds } from "../lib/contract/proxy-config.ts";

/** What the servers say of the service, within the document's bounds: one large number must not cost the rest. */
export function centralSettings(config: ResolvedServiceConfig, problems: string[]) {
  const bounded = (name: string, given: number, largest: number): number => {
    if (given > largest) problems.push(`${name}: ${given} is more than ${largest}, which is used instead`);
    return Math.min(given, largest);
  };
  return {
    localConnectTimeoutMs: bounded("LocalConnectTimeoutMs", config.localConnectTimeoutMs, largestMilliseconds),
    localRequestTimeoutMs: bounded("LocalRequestTimeoutMs", config.localRequestTimeoutMs, largestMilliseconds),
    maxInboundConnections: bounded("MaxInboundConnections", config.maxInboundConnections, largestConnections),
  };
}
