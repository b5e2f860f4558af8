import { type Coordinate, type CoordinateRecord, roundTripSeconds } from "../../lib/contract/coordinates.ts";

/**
 * `?near=NODE`: by round trip from that node, the nearest first; equally far ones and those without coordinates, who come last,
 * stay in their order. A node without coordinates is near to nothing: then nothing is sorted.
 */
export function sortByDistance<R>(
  records: readonly R[],
  options: {
    readonly near: string;
    readonly nodeOf: (record: R) => string;
    readonly coordinates: readonly CoordinateRecord[];
  },
): readonly R[] {
  const { near, nodeOf } = options;
  const places = placesOf(options.coordinates);
  const origin = places.get(near);
  if (origin === undefined) return records;
  return records
    .map((record) => {
      const place = places.get(nodeOf(record));
      return { record, seconds: place === undefined ? Number.POSITIVE_INFINITY : roundTripSeconds(origin, place) };
    })
    .sort((a, b) => (a.seconds === b.seconds ? 0 : a.seconds - b.seconds))
    .map(({ record }) => record);
}

/** The list is the same object for as long as no coordinate changes. */
const known = new WeakMap<readonly CoordinateRecord[], ReadonlyMap<string, Coordinate>>();

function placesOf(coordinates: readonly CoordinateRecord[]): ReadonlyMap<string, Coordinate> {
  const places = known.get(coordinates) ?? new Map(coordinates.map((record) => [record.Node, record.Coord]));
  known.set(coordinates, places);
  return places;
}
