import type { Indexed } from "./catalog.ts";

/** Where a node is in Vivaldi's space of round-trip times: all numbers are seconds. As Consul's agents send it. */
export interface Coordinate {
  /** Eight dimensions. */
  readonly Vec: readonly number[];
  readonly Error: number;
  readonly Adjustment: number;
  readonly Height: number;
}

export const coordinateDimensions = 8;

export interface CoordinateFields {
  readonly Node: string;
  /** Of the network; the community edition has one, the empty string. */
  readonly Segment: string;
  readonly Coord: Coordinate;
}
export type CoordinateRecord = CoordinateFields & Indexed;

/** The round trip between two places in seconds, as Consul computes it from their coordinates. */
export function roundTripSeconds(a: Coordinate, b: Coordinate): number {
  let squares = 0;
  for (let n = 0; n < coordinateDimensions; n++) squares += ((a.Vec[n] ?? 0) - (b.Vec[n] ?? 0)) ** 2;
  const raw = Math.sqrt(squares) + a.Height + b.Height;
  const adjusted = raw + a.Adjustment + b.Adjustment;
  return adjusted > 0 ? adjusted : raw;
}
