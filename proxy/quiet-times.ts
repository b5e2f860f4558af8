/** Fewer bytes than this in a second, a few requests, count as nothing. */
const quietBytes = 10_000;
/** Quiet seconds in a row before memory is given back. */
const quietSeconds = 3;
/** So much has to have moved since the last time, or there is little to give back. */
const worthBytes = 1_000_000;
const minPauseMs = 10_000;

/**
 * When a proxy gives back the memory that busy times have left: the heap grows with what is allocated between two collections and does not shrink
 * by itself, so 10,000 connections that had been idle for minutes held 25 MB that nobody used. It takes 10 to 20 ms in which nothing
 * else happens, so it waits until hardly anything would.
 */
export class QuietTimes {
  readonly #giveBack: () => void;
  #movedBytes = 0;
  #sinceLast = 0;
  #quiet = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(giveBack: () => void) {
    this.#giveBack = giveBack;
  }

  /** Called about once a second; `movedBytes` is all traffic so far. */
  sweep(nowMs: number, movedBytes: number): void {
    const moved = Math.max(0, movedBytes - this.#movedBytes);
    this.#movedBytes = movedBytes;
    this.#sinceLast += moved;
    this.#quiet = moved < quietBytes ? this.#quiet + 1 : 0;
    if (this.#quiet < quietSeconds || this.#sinceLast < worthBytes || nowMs - this.#lastMs < minPauseMs) return;
    this.#sinceLast = 0;
    this.#lastMs = nowMs;
    this.#giveBack();
  }
}
