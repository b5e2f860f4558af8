import type { SubsetSelector } from "../balance/subset.ts";
import type { Cluster } from "../outbound/cluster.ts";
import type { Endpoint } from "../outbound/endpoint.ts";
import type { ShownEndpoint } from "./explanation.ts";

/** The endpoints of a cluster, as the balancer would choose among them now. */
export function shownEndpoints(cluster: Cluster, subset: SubsetSelector | undefined): ShownEndpoint[] {
  return cluster.endpoints.map((endpoint) => {
    const { address, peer, weight, priority, zone, tags } = endpoint;
    const { isEligible, because } = standing(cluster, endpoint, subset);
    const own = peer.service === "" ? {} : { service: peer.service };
    return { address, ...own, weight, priority, zone, tags, isEligible, because };
  });
}

function standing(
  cluster: Cluster,
  endpoint: Endpoint,
  subset: SubsetSelector | undefined,
): { readonly isEligible: boolean; readonly because: string } {
  const place = cluster.choice.placeOf(endpoint, subset);
  if (place === undefined) return { isEligible: false, because: "not in the subset" };
  const { load, zoneShare, ignoresHealth } = place;
  if (!endpoint.isHealthy && !ignoresHealth) return { isEligible: false, because: "not healthy" };
  if (load === 0) return { isEligible: false, because: "a priority before it takes everything" };
  if (zoneShare === 0) return { isEligible: false, because: "other zones take everything" };
  const shares = [
    ...(load < 1 ? [`its priority takes ${percent(load)}`] : []),
    ...(zoneShare !== undefined && zoneShare < 1 ? [`its zone takes ${percent(zoneShare)} of that`] : []),
  ];
  return { isEligible: true, because: shares.join(", ") };
}

/** A share of 0 to 1 in at most two decimals. */
function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}
