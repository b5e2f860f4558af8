import type { ServiceLookup } from "./asked-name.ts";
import type { DnsInstance } from "./dns-catalog.ts";

export interface Matched {
  readonly instances: readonly DnsInstance[];
  /** The port's name, when the name was about a port. */
  readonly port?: string;
}

/**
 * The instances that a name means. Labels before the service are tags that an instance has all of, or, as Consul reads
 * them, one tag with dots in it; `x.port.web` is the port `x`, and the tags `x` and `port` only where nobody has it.
 */
export function matchInstances(
  instances: readonly DnsInstance[],
  lookup: Pick<ServiceLookup, "tags" | "port">,
  isOnlyPassing: boolean,
): Matched {
  const healthy = isOnlyPassing ? instances.filter((instance) => instance.isPassing) : instances;
  const { tags, port } = lookup;
  if (tags.length === 0) return { instances: healthy };
  if (port !== undefined) {
    const withPort = healthy.filter((instance) => instance.ports?.has(port) === true);
    if (withPort.length > 0) return { instances: withPort, port };
  }
  const joined = tags.join(".");
  return {
    instances: healthy.filter(
      (instance) => tags.every((tag) => instance.tags.includes(tag)) || instance.tags.includes(joined),
    ),
  };
}
