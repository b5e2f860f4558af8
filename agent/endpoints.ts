import { formatHostPort, parseHostPort } from "../lib/contract/address.ts";
import { aggregateStatus, type ServiceInstance } from "../lib/contract/catalog.ts";
import type { ChainResolver, ChainTarget } from "../lib/contract/discovery-chain.ts";
import { type InstanceFilter, parseInstanceFilter } from "../lib/contract/instance-filter.ts";
import { nodeZone, zoneName } from "../lib/contract/locality.ts";
import { compareText } from "./compare-text.ts";

/** The instances of a service as the endpoints of a proxy's document, in a fixed order. */
export interface EndpointConfig {
  readonly address: string;
  /** Whose instance it is, where that is not the cluster's service. */
  readonly service?: string;
  readonly weight: number;
  /** Where it runs, where that is known. */
  readonly zone?: string;
  /** Of failover: those of 0 are used first, and the word is left out. */
  readonly priority?: number;
}

/** Envoy's and the document's upper bound; Consul's weights have none. */
const maxWeight = 65_535;
/** The document's. */
const maxPriority = 127;

export function endpointConfigs(instances: readonly ServiceInstance[]): EndpointConfig[] {
  return instances.flatMap((instance) => usableEndpoint(instance, false)).sort(byAddress);
}

/**
 * The endpoints of a resolver: its own, then those of each failover target under the next priority. An instance that is in several is
 * where it comes first, and so is an address. `problems` hears of a filter that this version cannot read.
 */
export function resolverEndpoints(
  resolver: ChainResolver,
  instancesOf: (service: string) => readonly ServiceInstance[],
  problems: string[],
): EndpointConfig[] {
  const taken = new Set<string>();
  return [resolver, ...resolver.failover].slice(0, maxPriority + 1).flatMap((target, priority) => {
    const matches = filterOf(target, problems);
    const { service } = target;
    const more = { ...(service !== resolver.service && { service }), ...(priority > 0 && { priority }) };
    const endpoints = instancesOf(service)
      .filter(matches)
      .flatMap((instance) => usableEndpoint(instance, target.onlyPassing))
      .filter(({ address }) => !taken.has(address));
    for (const { address } of endpoints) taken.add(address);
    return endpoints.sort(byAddress).map((endpoint) => (priority === 0 ? endpoint : { ...endpoint, ...more }));
  });
}

/** A filter that cannot be read takes no instance: others than were meant must not get the calls. */
function filterOf({ service, subset, filter }: ChainTarget, problems: string[]): InstanceFilter {
  const parsed = parseInstanceFilter(filter);
  if (parsed.ok) return parsed.matches;
  problems.push(`service-resolver ${service}: the filter of subset "${subset}" ${parsed.message}`);
  return () => false;
}

/** Critical instances get no traffic, and neither do those whose weight in their present state is 0, as in Consul. */
function usableEndpoint(instance: ServiceInstance, isOnlyPassing: boolean): EndpointConfig[] {
  const status = aggregateStatus(instance.Checks);
  if (status === "critical" || (isOnlyPassing && status !== "passing")) return [];
  const { Weights: weights, Address: serviceAddress, Port: port } = instance.Service;
  const weight = status === "passing" ? weights.Passing : weights.Warning;
  const address = formatHostPort({ host: serviceAddress || instance.Node.Address, port });
  const isDialable = port > 0 && parseHostPort(address) !== undefined;
  if (weight < 1 || !isDialable) return [];
  const zone = zoneName(instance.Service.Locality) || nodeZone(instance.Node);
  return [{ address, weight: Math.min(weight, maxWeight), ...(zone !== "" && { zone }) }];
}

function byAddress(a: EndpointConfig, b: EndpointConfig): number {
  return compareText(a.address, b.address) || a.weight - b.weight;
}
