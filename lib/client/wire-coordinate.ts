/** `NodeCoordinate` of atoll.proto and raft.proto. */
import { type Coordinate, isCoordinate } from "../contract/coordinates.ts";

export interface WireCoordinate {
  readonly vec: readonly number[];
  readonly error: number;
  readonly adjustment: number;
  readonly height: number;
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
