/** What authorization says of a caller or of one of its requests. The same object for the same rule, until rules change. */
export interface Verdict {
  readonly isAllowed: boolean;
  /** What decided, as `rules[2] (spiffe://...)`, `rules[2].permissions[0] (spiffe://...)` or `default`. */
  readonly rule: string;
  /** It would have been denied, but the rule is only tried out. */
  readonly isDryRun: boolean;
}
