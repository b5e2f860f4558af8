import type { Clock } from "../../../lib/base/clock.ts";
import type { Place, ServiceLookup } from "../asked-name.ts";
import type { AddressHolders, DnsCatalog, DnsInstance, DnsNode, Found, Outcome } from "../dns-catalog.ts";
import {
  type CapitalNames,
  decodeCapitalNames,
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

/** What nobody expects to see at once, and what a new service is found by. */
const rareChangeMs = 5_000;
const newNameMs = 1_000;

export function createLinkCatalog({ reads, datacenter, isStaleAllowed, clock }: LinkCatalogOptions): DnsCatalog {
  const stale = isStaleAllowed ? "&stale=" : "";
  const parameters = ({ datacenter: asked = datacenter, peer }: Place): string =>
    `?dc=${encodeURIComponent(asked)}${stale}${peer === undefined ? "" : `&peer=${encodeURIComponent(peer)}`}`;
  const pathOf = (kind: ServiceLookup["kind"], name: string, place: Place): string =>
    `/v1/health/${kind}/${encodeURIComponent(name)}${parameters(place)}`;

  const datacenters = createShortMemory<ReadonlySet<string>>(clock, rareChangeMs);
  const capitals = createShortMemory<CapitalNames>(clock, newNameMs);
  const holders = createShortMemory<AddressHolders>(clock, rareChangeMs);
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
  /** DNS knows no letter case: what is not there in lower case may be there with capitals. */
  const asSpelled = <T>(
    { name, place, listed }: { readonly name: string; readonly place: Place; readonly listed: keyof CapitalNames },
    read: (name: string) => Found<T>,
    isAbsent: (value: T) => boolean,
  ): Found<T> => {
    const judge = (outcome: Outcome<T>): Found<T> => {
      if (outcome.state !== "known" || !isAbsent(outcome.value) || place.peer !== undefined) return outcome;
      const names = capitals.get(parameters(place), () =>
        reads.ask(`/v1/internal/capital-names${parameters(place)}`, decodeCapitalNames),
      );
      const choose = (known: Outcome<CapitalNames>): Found<T> => {
        const spelled = known.state === "known" ? known.value[listed].get(name) : undefined;
        return spelled === undefined ? outcome : read(spelled);
      };
      return names instanceof Promise ? names.then(choose) : choose(names);
    };
    const first = read(name);
    return first instanceof Promise ? first.then(judge) : judge(first);
  };
  return {
    instances(kind, service, place) {
      const read = (name: string) => reads.read(pathOf(kind, name, place), decodeInstances);
      const isAbsent = (value: readonly DnsInstance[]): boolean => value.length === 0;
      const spelling = { name: service, place, listed: "services" } as const;
      return inDatacenter(place, [], () => asSpelled(spelling, read, isAbsent));
    },
    node(name, place) {
      const read = (spelled: string) =>
        reads.read(`/v1/catalog/node/${encodeURIComponent(spelled)}${parameters(place)}`, decodeNode);
      const isAbsent = (value: DnsNode | undefined): boolean => value === undefined;
      return inDatacenter(place, undefined, () => asSpelled({ name, place, listed: "nodes" }, read, isAbsent));
    },
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
    // A query may sort by how near the client is, which its server takes from this header.
    preparedQuery: ({ name, place, source }) =>
      reads.ask(`/v1/query/${encodeURIComponent(name)}/execute${parameters(place)}`, decodePrepared, {
        "x-forwarded-for": source,
      }),
  };
}
