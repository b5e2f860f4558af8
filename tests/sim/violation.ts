/** A broken promise. `check` names the checker; the message says what was promised and what was seen instead. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly check: string;

  constructor(check: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.check = check;
  }
}

/** Throws a {@link Violation} of `check` unless `condition` holds. */
export function expectThat(condition: boolean, check: string, message: () => string): void {
  if (!condition) throw new Violation(check, message());
}
