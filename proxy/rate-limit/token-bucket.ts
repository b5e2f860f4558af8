/** How many at once, and how many more with time. */
export interface Rate {
  /** More than 0; may be a fraction. */
  readonly perSecond: number;
  /** Whole, 1 or more. */
  readonly burst: number;
}

/** What a whole token may lack because time was added up in parts. */
const roundingError = 1e-9;

/**
 * A bucket that holds `burst` tokens and gets `perSecond` new ones, filled when somebody looks: no timer, nothing allocated. Between any
 * two moments it gives no more than `burst` and the rate times what has passed. What rounding once gave too much is owed, not forgotten.
 */
export class TokenBucket {
  readonly rate: Rate;
  #tokens: number;
  #filledMs: number;

  /** Full at `nowMs`, of the monotonic clock as all times here. */
  constructor(rate: Rate, nowMs: number) {
    this.rate = rate;
    this.#tokens = rate.burst;
    this.#filledMs = nowMs;
  }

  /** Whether there is a token now. */
  has(nowMs: number): boolean {
    this.#fill(nowMs);
    return this.#tokens >= 1 - roundingError;
  }

  /** Takes one, after `has` has said that it is there. */
  take(): void {
    this.#tokens--;
  }

  /** Whole tokens left, as of the last look. */
  get remaining(): number {
    return Math.max(0, Math.floor(this.#tokens + roundingError));
  }

  /** From the last look until there is a token; 0 when there is one. */
  get waitMs(): number {
    return Math.max(0, ((1 - this.#tokens) * 1_000) / this.rate.perSecond);
  }

  /** From the last look until it is full. */
  get fullMs(): number {
    return ((this.rate.burst - this.#tokens) * 1_000) / this.rate.perSecond;
  }

  /** Whether it is as good as new. */
  isFull(nowMs: number): boolean {
    this.#fill(nowMs);
    return this.#tokens >= this.rate.burst;
  }

  #fill(nowMs: number): void {
    if (nowMs <= this.#filledMs) return;
    const { perSecond, burst } = this.rate;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledMs) * perSecond) / 1_000);
    this.#filledMs = nowMs;
  }
}
