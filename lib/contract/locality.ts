import type { StringMap } from "./catalog.ts";

/** Where something runs, as Consul names it. A zone without a region says nothing, since zones are named within one. */
export interface Locality {
  readonly Region: string;
  readonly Zone: string;
}

/** Keys of a node's Meta that say the same, for nodes whose registration has no Locality. */
const metaKeys = { region: "region", zone: "zone" } as const;

/** The zone of a node or an instance as one word, for a proxy's document; empty when it is not known. */
export function zoneName(locality: Locality | undefined): string {
  return locality === undefined || locality.Zone === "" ? "" : `${locality.Region}/${locality.Zone}`;
}

/** The same of a node: its Locality, or what its Meta says. There a zone may stand alone. */
export function nodeZone(node: { readonly Locality?: Locality; readonly Meta: StringMap }): string {
  if (node.Locality !== undefined) return zoneName(node.Locality);
  const zone = node.Meta[metaKeys.zone] ?? "";
  const region = node.Meta[metaKeys.region] ?? "";
  return zone === "" || region === "" ? zone : `${region}/${zone}`;
}

/** What is wrong with a locality; undefined when nothing is. */
export function localityProblem({ Region, Zone }: Locality): string | undefined {
  if (Zone !== "" && Region === "") return `has the zone "${Zone}" without a region: name both`;
  const longest = 127;
  if (Region.length <= longest && Zone.length <= longest) return undefined;
  return `must have a region and a zone of at most ${longest} characters each`;
}
