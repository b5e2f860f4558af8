/** What authorization says of a caller or of one of its requests. The same object for the same rule, until rules change. */
export interface Verdict {
  readonly isAllowed: boolean;
  /** What decided, as `rules[2] (spiffe://...)`, `rules[2].permissions[0] (spiffe://...)` or `default`. */
  readonly rule: string;
  /** What is wrong with the token that it needs: a better one would do. */
  readonly problem?: "jwt_missing" | "jwt_invalid" | "jwks_unavailable";
  /** It would have been denied, but the rule is only tried out. */
  readonly isDryRun: boolean;
}

/** A verdict that waits for something: to be asked for again then. */
export interface PendingVerdict {
  readonly kind: "pending";
  /** Never rejects. */
  readonly settled: Promise<void>;
}
