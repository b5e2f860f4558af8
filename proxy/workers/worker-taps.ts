import type { TapFilter } from "../telemetry/tap/tap-filter.ts";
import type { TapListener, TapSubscription } from "../telemetry/tap/tap-hub.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

type Tapped = Extract<FromWorker, { type: "tapped" }>;

/** In the main process: readers of `/tap` who want to see the requests of all workers, those that start later included. */
export class WorkerTaps {
  readonly #sendAll: (message: ToWorker) => void;
  readonly #open = new Map<number, { readonly filter: TapFilter; readonly listener: TapListener }>();
  #nextId = 1;

  constructor(sendAll: (message: ToWorker) => void) {
    this.#sendAll = sendAll;
  }

  subscribe(filter: TapFilter, listener: TapListener): TapSubscription {
    const id = this.#nextId++;
    this.#open.set(id, { filter, listener });
    this.#sendAll({ type: "tap", id, filter });
    return {
      close: () => {
        if (this.#open.delete(id)) this.#sendAll({ type: "untap", id });
      },
    };
  }

  /** What a worker has to be told that has just started. */
  messages(): ToWorker[] {
    return Array.from(this.#open, ([id, { filter }]) => ({ type: "tap", id, filter }));
  }

  onTapped({ id, lines, dropped }: Tapped): void {
    const listener = this.#open.get(id)?.listener;
    for (const line of lines) listener?.onLine(line);
    if (dropped > 0) listener?.onDropped(dropped);
  }
}

export interface TappedRequestsOptions {
  readonly subscribe: (filter: TapFilter, listener: TapListener) => TapSubscription;
  readonly send: (message: FromWorker) => void;
  readonly atEndOfTurn: (callback: () => void) => void;
}

/** In a worker: the requests that the main process has readers for, gathered for a turn of the event loop. */
export class TappedRequests {
  readonly #options: TappedRequestsOptions;
  readonly #open = new Map<number, TapSubscription>();

  constructor(options: TappedRequestsOptions) {
    this.#options = options;
  }

  open(id: number, filter: TapFilter): void {
    this.close(id);
    let lines: string[] = [];
    let dropped = 0;
    let isScheduled = false;
    const send = (): void => {
      isScheduled = false;
      this.#options.send({ type: "tapped", id, lines, dropped });
      lines = [];
      dropped = 0;
    };
    const schedule = (): void => {
      if (!isScheduled) this.#options.atEndOfTurn(send);
      isScheduled = true;
    };
    const listener: TapListener = {
      onLine: (line) => {
        lines.push(line);
        schedule();
      },
      onDropped: (count) => {
        dropped += count;
        schedule();
      },
      // The main process says by itself that it is there.
      onQuiet: () => undefined,
    };
    this.#open.set(id, this.#options.subscribe(filter, listener));
  }

  close(id: number): void {
    this.#open.get(id)?.close();
    this.#open.delete(id);
  }
}
