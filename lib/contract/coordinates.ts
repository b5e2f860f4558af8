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

/** Whether outside data that has the fields is a place: eight dimensions, and nothing but finite numbers. */
export function isCoordinate({ Vec, Error: error, Adjustment, Height }: Coordinate): boolean {
  return Vec.length === coordinateDimensions && [...Vec, error, Adjustment, Height].every(Number.isFinite);
}

/** Less than that, in seconds, is the noise of two processes. */
const minMoveSeconds = 100e-6;
/** And less than this share of the way from the origin is the noise of a long way. */
const minMoveShare = 0.02;
/** `Error` says how sure a node is of its place: what is told has to follow it roughly. */
const minErrorChange = 0.1;

/** Whether a node that was at `from` is at `to` now, and not merely measured once more. */
export function hasMoved(from: Coordinate, to: Coordinate): boolean {
  if (Math.abs(to.Error - from.Error) >= minErrorChange) return true;
  let squares = 0;
  let fromOrigin = 0;
  for (let n = 0; n < coordinateDimensions; n++) {
    squares += ((to.Vec[n] ?? 0) - (from.Vec[n] ?? 0)) ** 2;
    fromOrigin += (to.Vec[n] ?? 0) ** 2;
  }
  const beside = Math.abs(to.Height - from.Height) + Math.abs(to.Adjustment - from.Adjustment);
  const scale = Math.sqrt(fromOrigin) + to.Height;
  return Math.sqrt(squares) + beside >= Math.max(minMoveSeconds, minMoveShare * scale);
}
