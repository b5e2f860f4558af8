import type { CoordinateRecord } from "../../lib/contract/coordinates.ts";
import { compareText } from "./order.ts";
import { createReadSlot, type ReadCache } from "./read-cache.ts";
import type { StateReader } from "./reader.ts";
import type { Tables } from "./tables.ts";
import { watchKeys } from "./watch-keys.ts";

/** The reads of network coordinates, by node, then segment. */
export function createCoordinateReads(
  tables: Tables,
  cache: ReadCache,
): Pick<StateReader, "coordinates" | "nodeCoordinates"> {
  const all = createReadSlot<readonly CoordinateRecord[]>();
  const ofNode = createReadSlot<readonly CoordinateRecord[]>();
  return {
    coordinates: () => cache.read(all, "", [watchKeys.coordinates], () => sorted(tables.coordinates.all())),
    nodeCoordinates: (node) =>
      cache.read(ofNode, node, [watchKeys.coordinate(node)], () => sorted(tables.coordinates.onNode(node))),
  };
}

function sorted(records: Iterable<CoordinateRecord>): readonly CoordinateRecord[] {
  return [...records].sort((a, b) => compareText(a.Node, b.Node) || compareText(a.Segment, b.Segment));
}
