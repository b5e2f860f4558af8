/**
 * How a node finds its coordinate: Vivaldi (Dabek et al., SIGCOMM 2004) in the form that Serf gave it, with its numbers. Every
 * measured round trip pulls the node towards its peer, or pushes it away, by its share of the two's uncertainty. Pure but for
 * the random direction in which two nodes part that are in one place.
 */
import type { Random } from "../base/random.ts";
import { type Coordinate, coordinateDimensions, isCoordinate, roundTripSeconds } from "./coordinates.ts";

/** How much one measurement changes the error (the paper's c_e) and the place (c_c). */
const errorShare = 0.25;
const placeShare = 0.25;
const maxError = 1.5;
/** Seconds that a packet needs at least to leave its host. */
const minHeight = 10e-6;
/** Measurements whose mean misfit becomes the adjustment, which stands for what no space of few dimensions can hold. */
const adjustmentWindow = 20;
/** Of so many measurements with one peer the median counts, of two the lower: a pause of either process means nothing. */
const filteredSamples = 3;
/** Seconds from the origin at which a node is pulled back by one second: keeps the whole from drifting away. */
const gravityRho = 150;
const maxRoundTripSeconds = 10;
/** Nearer than that, in seconds, is the same place. */
const samePlace = 1e-6;
/** Peers whose measurements are remembered; a cluster has a handful of servers. */
const maxPeers = 32;

export interface Vivaldi {
  coordinate(): Coordinate;
  /** Learns from one round trip to `peer`, which is at `place`. False, and nothing learned, when the sample makes no sense. */
  measured(peer: string, place: Coordinate, seconds: number): boolean;
}

/** Where a node is that has measured nothing. */
export const originCoordinate: Coordinate = {
  Vec: new Array<number>(coordinateDimensions).fill(0),
  Error: maxError,
  Adjustment: 0,
  Height: minHeight,
};

export function createVivaldi(random: Pick<Random, "float">): Vivaldi {
  const samples = new Map<string, number[]>();
  const misfits: number[] = new Array<number>(adjustmentWindow).fill(0);
  let nextMisfit = 0;
  let own = originCoordinate;

  const filtered = (peer: string, seconds: number): number => {
    const latest = [...(samples.get(peer) ?? []), seconds].slice(-filteredSamples);
    samples.delete(peer);
    samples.set(peer, latest);
    for (const oldest of samples.keys()) {
      if (samples.size <= maxPeers) break;
      samples.delete(oldest);
    }
    return latest.toSorted((a, b) => a - b)[Math.floor((latest.length - 1) / 2)] ?? seconds;
  };

  const adjustment = (seconds: number, place: Coordinate): number => {
    misfits[nextMisfit] = seconds - roundTripSeconds(unadjusted(own), unadjusted(place));
    nextMisfit = (nextMisfit + 1) % adjustmentWindow;
    return misfits.reduce((sum, misfit) => sum + misfit, 0) / (2 * adjustmentWindow);
  };

  return {
    coordinate: () => own,
    measured(peer, place, seconds) {
      if (!isCoordinate(place) || !(seconds >= 0 && seconds <= maxRoundTripSeconds)) return false;
      const roundTrip = Math.max(filtered(peer, seconds), samePlace);
      own = moved(own, place, roundTrip, random);
      own = { ...own, Adjustment: adjustment(roundTrip, place) };
      const pull = -((roundTripSeconds(originCoordinate, own) / gravityRho) ** 2);
      own = forced(own, originCoordinate, pull, random);
      if (!isCoordinate(own)) own = originCoordinate;
      return true;
    },
  };
}

/** One step of Vivaldi: the surer the peer is of its place, and the less this node of its own, the longer the step. */
function moved(own: Coordinate, place: Coordinate, seconds: number, random: Pick<Random, "float">): Coordinate {
  const estimate = roundTripSeconds(own, place);
  const wrongness = Math.abs(estimate - seconds) / seconds;
  const weight = own.Error / Math.max(own.Error + place.Error, samePlace);
  const error = errorShare * weight * wrongness + own.Error * (1 - errorShare * weight);
  const force = placeShare * weight * (seconds - estimate);
  return { ...forced(own, place, force, random), Error: Math.min(error, maxError) };
}

/** `own` after a force away from `place`, in seconds; a negative one pulls. Heights grow and shrink with the distance. */
function forced(own: Coordinate, place: Coordinate, force: number, random: Pick<Random, "float">): Coordinate {
  const apart = own.Vec.map((value, n) => value - (place.Vec[n] ?? 0));
  const distance = lengthOf(apart);
  const isApart = distance > samePlace;
  const direction = isApart ? apart : apart.map(() => random.float() - 0.5);
  const length = lengthOf(direction);
  // All random numbers were one half: any direction will do.
  const unit = length > samePlace ? direction.map((value) => value / length) : direction.map((_, n) => Number(n === 0));
  const height = isApart ? ((own.Height + place.Height) * force) / distance + own.Height : own.Height;
  return {
    ...own,
    Vec: own.Vec.map((value, n) => value + (unit[n] ?? 0) * force),
    Height: Math.max(height, minHeight),
  };
}

function unadjusted(place: Coordinate): Coordinate {
  return { ...place, Adjustment: 0 };
}

function lengthOf(vector: readonly number[]): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
}
