import { zeroes } from "../telemetry/zeroes.ts";

export const faultKinds = ["delay", "abort", "bandwidth"] as const;
export type FaultKind = (typeof faultKinds)[number];

/**
 * What became of copies: their answer came to its end, was cut off because it was too long or late, or never came; there was no
 * connection; the copy fell behind its request, or the request ended before its body; there were too many copies, or too little memory.
 */
export const mirrorOutcomes = [
  "answered",
  "too_long",
  "timeout",
  "lost",
  "unreached",
  "behind",
  "cancelled",
  "overflow",
] as const;
export type MirrorOutcome = (typeof mirrorOutcomes)[number];

/** What a listener does to requests beside sending them on. */
export class StageCounters {
  readonly faults: Record<FaultKind, number> = zeroes(faultKinds);
  /** Requests that had no fault because there were as many as there may be. */
  faultsOverflow = 0;
  readonly mirrors: Record<MirrorOutcome, number> = zeroes(mirrorOutcomes);
  /** Requests sent to another endpoint as well. */
  hedges = 0;
  /** Of those, whose response was the one that the client got. */
  hedgesWon = 0;
}
