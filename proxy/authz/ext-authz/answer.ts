/** What an authorizer may say of a request, by whichever protocol. */
export type Answer = Allowance | Denial;

/**
 * What becomes of a field. `overwrite`: one line in the place of all. `add`: one more line. `add-if-absent`, `overwrite-if-exists`:
 * nothing when it is there, or is not. Names are in lower case; values have one character per byte.
 */
export interface FieldChange {
  readonly name: string;
  readonly value: string;
  readonly how: "overwrite" | "add" | "add-if-absent" | "overwrite-if-exists";
}

export interface Allowance {
  readonly kind: "ok";
  /** Of the request that goes on, in this order. */
  readonly changes: readonly FieldChange[];
  readonly removals: readonly string[];
  readonly query: QueryChange | undefined;
  /** Of the application's response. */
  readonly responseChanges: readonly FieldChange[];
}

export interface QueryChange {
  /** Parameters, decoded: each in the place of all of its name. */
  readonly set: readonly (readonly [name: string, value: string])[];
  readonly remove: readonly string[];
}

export interface Denial extends Said {
  readonly kind: "denied";
  /** For a gRPC call; undefined when the status of HTTP says it. */
  readonly grpcStatus: number | undefined;
}

/** An answer for the client as an authorizer gave it. */
export interface Said {
  readonly status: number;
  /** Names and values, alternating. */
  readonly fields: readonly string[];
  readonly body: string;
}

/** Why there is no answer: to be counted and logged. */
export type CheckFailure = { readonly kind: "timeout" } | FailedCheck;

export interface FailedCheck {
  readonly kind: "failed";
  readonly reason: string;
  /** What the client shall be answered if its request does not go on; the status is 0 where it is not said. */
  readonly said?: Said;
}

export type CheckOutcome = Answer | CheckFailure;

export function failed(reason: string): FailedCheck {
  return { kind: "failed", reason };
}

/** An authorizer is trusted, but a bug of it shall not fill our memory: more edits than this are no answer. */
export const maxChanges = 256;
