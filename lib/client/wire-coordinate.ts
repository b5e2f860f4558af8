/** `NodeCoordinate` of atoll.proto and raft.proto, and `ServerPlace`. */
import { type Coordinate, isCoordinate } from "../contract/coordinates.ts";
import type { Reference } from "./own-coordinate.ts";

export interface WireCoordinate {
  readonly vec: readonly number[];
  readonly error: number;
  readonly adjustment: number;
  readonly height: number;
}

export interface WireServerPlace {
  readonly address: string;
  readonly coordinate?: WireCoordinate | null;
}

export function toWireCoordinate({ Vec, Error: error, Adjustment, Height }: Coordinate): WireCoordinate {
  return { vec: Vec, error, adjustment: Adjustment, height: Height };
}

/** Undefined for one that is absent, and for one that is no place. */
export function fromWireCoordinate(wire: WireCoordinate | null | undefined): Coordinate | undefined {
  if (wire === null || wire === undefined) return undefined;
  const { vec, error, adjustment, height } = wire;
  const coordinate = { Vec: vec, Error: error, Adjustment: adjustment, Height: height };
  return isCoordinate(coordinate) ? coordinate : undefined;
}

export function toWireServerPlace({ address, coordinate }: Reference): WireServerPlace {
  return { address, coordinate: toWireCoordinate(coordinate) };
}

export function fromWireServerPlace(wire: WireServerPlace | null | undefined): Reference | undefined {
  if (wire === null || wire === undefined) return undefined;
  const coordinate = fromWireCoordinate(wire.coordinate);
  return coordinate && { address: wire.address, coordinate };
}
