import type { Clock } from "../../../lib/base/clock.ts";
import type { Place, ServiceLookup } from "../asked-name.ts";
import type { AddressHolders, DnsCatalog, Found, Outcome } from "../dns-catalog.ts";
import {
  decodeDatacenters,
  decodeHolders,
  decodeInstances,
  decodeNode,
  decodePrepared,
  decodeVirtualOffset,
} from "./decode-catalog.ts";
import { createShortMemory } from "./short-memory.ts";
import type { WatchedReads } from "./watched-reads.ts";

/** The catalog of the servers, over reads that are kept current. */
export interface LinkCatalogOptions {
  readonly reads: Pick<WatchedReads, "read" | "ask">;
  readonly datacenter: string;
  /** Whether any server may answer, or only the leader. */
  readonly isStaleAllowed: boolean;
  readonly clock: Clock;
}

export function createLinkCatalog({ reads, datacenter, isStaleAllowed, clock }: LinkCatalogOptions): DnsCatalog {
  const stale = isStaleAllowed ? "&stale=" : "";
  const parameters = ({ datacenter: asked = datacenter, peer }: Place): string =>
    `?dc=${encodeURIComponent(asked)}${stale}${peer === undefined ? "" : `&peer=${encodeURIComponent(peer)}`}`;
  const pathOf = (kind: ServiceLookup["kind"], name: string, place: Place): string =>
    `/v1/health/${kind}/${encodeURIComponent(name)}${parameters(place)}`;

  const datacenters = createShortMemory<ReadonlySet<string>>(clock);
  const holders = createShortMemory<AddressHolders>(clock);
  /** In a datacenter that nobody knows there is nothing, and no server has to say so of each name. */
  const inDatacenter = <T>({ datacenter: asked }: Place, nothing: T, read: () => Found<T>): Found<T> => {
    if (asked === undefined || asked === datacenter) return read();
    const known = datacenters.get("", () => reads.ask("/v1/catalog/datacenters", decodeDatacenters));
    const judge = (outcome: Outcome<ReadonlySet<string>>): Found<T> => {
      if (outcome.state !== "known") return { state: outcome.state };
      return outcome.value.has(asked) ? read() : { state: "known", value: nothing };
    };
    return known instanceof Promise ? known.then(judge) : judge(known);
  };
  return {
    instances: (kind, service, place) =>
      inDatacenter(place, [], () => reads.read(pathOf(kind, service, place), decodeInstances)),
    node: (name, place) =>
      inDatacenter(place, undefined, () =>
        reads.read(`/v1/catalog/node/${encodeURIComponent(name)}${parameters(place)}`, decodeNode),
      ),
    virtualOffset: (service, peer) =>
      peer === undefined
        ? reads.read(
            `/v1/internal/service-virtual-ip/${encodeURIComponent(service)}${parameters({})}`,
            decodeVirtualOffset,
          )
        : { state: "known", value: undefined },
    holders: (address) =>
      holders.get(address, () =>
        reads.ask(`/v1/internal/address/${encodeURIComponent(address)}${parameters({})}`, decodeHolders),
      ),
    preparedQuery: ({ name, place, limit }) =>
      reads.ask(
        `/v1/query/${encodeURIComponent(name)}/execute${parameters(place)}${limit > 0 ? `&limit=${limit}` : ""}`,
        decodePrepared,
      ),
  };
}
