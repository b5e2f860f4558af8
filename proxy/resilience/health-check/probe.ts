/** Why a check failed, as a metric label: no connection, no answer in time, one that was cut off, or one of another kind. */
export const checkFailures = ["connect", "timeout", "lost", "status", "not_serving"] as const;
export type CheckFailure = (typeof checkFailures)[number];

/** One check under way. */
export interface Probe {
  /** Nobody waits for it any more; nothing is told after this. */
  cancel(): void;
}

/** Begins one check. `onResult` is called once, never before this has returned, with nothing when it was passed. */
export type StartProbe = (onResult: (failure: CheckFailure | undefined) => void) => Probe;
