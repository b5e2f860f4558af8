import { textReply } from "../exchange/local-reply.ts";
import type { Decision } from "../exchange/policy.ts";
import type { RequestHead } from "../message/request-head.ts";
import { readTapQuery, type TapFilter } from "../telemetry/tap/tap-filter.ts";
import type { TapListener, TapSubscription } from "../telemetry/tap/tap-hub.ts";
import { tapReply } from "./tap-reply.ts";

/** Where requests can be seen as they pass: this process, or the workers. */
export interface TapSource {
  subscribe(filter: TapFilter, listener: TapListener): TapSubscription;
}

export interface TapPageOptions {
  readonly sources: readonly TapSource[];
  readonly maxReaders: () => number;
}

const full = textReply(429, "/tap has as many readers as telemetry.tap.maxReaders allows");

/** `GET /tap?...`: a bounded number of readers, each with a filter of its own, over all processes of the proxy. */
export class TapPage {
  readonly #options: TapPageOptions;
  #readers = 0;

  constructor(options: TapPageOptions) {
    this.#options = options;
  }

  answer(head: RequestHead, query: string): Decision {
    const request = readTapQuery(query);
    if (typeof request === "string") return textReply(400, request);
    if (this.#readers >= this.#options.maxReaders()) return full;
    this.#readers++;
    return tapReply(head, {
      limit: request.limit,
      source: { open: (listener) => this.#open(request.filter, listener) },
      onClosed: () => {
        this.#readers--;
      },
    });
  }

  #open(filter: TapFilter, listener: TapListener): TapSubscription {
    const all = this.#options.sources.map((source) => source.subscribe(filter, listener));
    return {
      close: () => {
        for (const subscription of all) subscription.close();
      },
    };
  }
}
