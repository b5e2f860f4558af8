import type { FilterFields } from "../../lib/base/filter-expression.ts";
import type { Clock } from "../../lib/base/clock.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Identity } from "./identity.ts";
import type { OutsideCall } from "./outside-call.ts";

/** One configured auth method, ready to verify. What it asked outside it may keep for the next login. */
export interface LoginVerifier {
  /**
   * Who the bearer of a token is. Throws `PERMISSION_DENIED` for a token that is none, with a reason that holds nothing of it,
   * and `UNAVAILABLE` when nobody could be asked.
   */
  verify(bearerToken: string): Promise<Identity>;
  /** The variables that any identity of this method has, with a value that fits everywhere: rules are judged by it. */
  readonly sampleVariables: ReadonlyMap<string, string>;
  readonly fields: FilterFields<Identity>;
}

export interface VerifierTools {
  readonly call: OutsideCall;
  readonly clock: Clock;
}

/** Reads the `Config` of a method of its type. Throws `INVALID_ARGUMENT` that names the field and never its value. */
export type CreateVerifier = (config: Readonly<Record<string, unknown>>, tools: VerifierTools) => LoginVerifier;

export function badConfig(message: string): AtollError {
  return new AtollError("INVALID_ARGUMENT", `Invalid Auth Method: ${message}`);
}

export function notVerified(message: string): AtollError {
  return new AtollError("PERMISSION_DENIED", `Permission denied: ${message}`);
}

export const sampleValue = "fake";
