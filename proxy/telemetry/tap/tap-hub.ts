import type { Observation } from "../../exchange/observation.ts";
import type { ListenerObserver } from "../listener-observer.ts";
import { matchesTap, type TapFilter } from "./tap-filter.ts";
import { tapLine } from "./tap-line.ts";

/** Who reads along. Nothing is called after `close` of its subscription. */
export interface TapListener {
  /** A line with its end. */
  onLine(line: string): void;
  /** So many requests that would have matched were left out since the last word. */
  onDropped(count: number): void;
  /** Called now and then, so that a reader may see that nothing is wrong. */
  onQuiet(): void;
}

export interface TapSubscription {
  close(): void;
}

export interface TapHubOptions {
  /** For each listener. */
  readonly maxLinesPerSecond: () => number;
  /** The first listener came, or the last one left. */
  readonly onChange: () => void;
}

/** Less than connections of the admin address may be idle by default. */
const quietMs = 15_000;

/** The requests of one process for those who want to see them as they pass: nothing is kept for anybody who comes later. */
export class TapHub {
  readonly #options: TapHubOptions;
  readonly #readers = new Set<Reader>();
  #quietSinceMs = 0;

  constructor(options: TapHubOptions) {
    this.#options = options;
  }

  get isOn(): boolean {
    return this.#readers.size > 0;
  }

  subscribe(filter: TapFilter, listener: TapListener): TapSubscription {
    const reader = new Reader(filter, listener);
    this.#readers.add(reader);
    this.#options.onChange();
    return {
      close: () => {
        if (this.#readers.delete(reader)) this.#options.onChange();
      },
    };
  }

  offer(observation: Observation, from: ListenerObserver, startedWallMs: number): void {
    let line = "";
    for (const reader of [...this.#readers]) {
      if (!matchesTap(reader.filter, observation, from)) continue;
      if (!reader.hasRoom(observation.endedMs, this.#options.maxLinesPerSecond())) continue;
      line ||= tapLine(observation, from, startedWallMs);
      reader.listener.onLine(line);
    }
  }

  /** Called about once a second: tells what had to be left out. */
  sweep(nowMs: number): void {
    const isTime = nowMs - this.#quietSinceMs >= quietMs;
    if (isTime) this.#quietSinceMs = nowMs;
    for (const reader of [...this.#readers]) {
      reader.tellDropped();
      if (isTime) reader.listener.onQuiet();
    }
  }
}

class Reader {
  readonly filter: TapFilter;
  readonly listener: TapListener;
  #second = -1;
  #lines = 0;
  #dropped = 0;

  constructor(filter: TapFilter, listener: TapListener) {
    this.filter = filter;
    this.listener = listener;
  }

  /** Counts a line of the second at hand, or one that is left out. */
  hasRoom(nowMs: number, maxPerSecond: number): boolean {
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#lines = 0;
      this.tellDropped();
    }
    if (this.#lines >= maxPerSecond) {
      this.#dropped++;
      return false;
    }
    this.#lines++;
    return true;
  }

  tellDropped(): void {
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0) this.listener.onDropped(dropped);
  }
}
