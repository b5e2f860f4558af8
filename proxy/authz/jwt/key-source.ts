import { readFile } from "node:fs/promises";
import type { Clock } from "../../../lib/base/clock.ts";
import { sleep } from "../../../lib/base/clock.ts";
import { type JwtProviderConfig, type KeySet, parseKeySet } from "../../../lib/contract/proxy-jwt.ts";

/** A key set is text of a few keys. */
const maxBytes = 1_048_576;
const firstPauseMs = 100;
/** After a failure, and for a token whose key is not there, the keys are not asked for again within this. */
export const cooldownMs = 1_000;

/** Gets the text behind a URI, or rejects: not 200, too long, too late. */
export type FetchText = (uri: string, timeoutMs: number) => Promise<string>;

/**
 * The keys of one provider. Undefined when there are none: no key is ever used that has not been published within `cacheMs`. What
 * many ask for at once is fetched once.
 */
export class KeySource {
  readonly #jwks: JwtProviderConfig["jwks"];
  readonly #clock: Clock;
  readonly #fetchText: FetchText;
  #keys: KeySet | undefined;
  #staleMs = Number.NEGATIVE_INFINITY;
  #nextTryMs = Number.NEGATIVE_INFINITY;
  #loading: Promise<KeySet | undefined> | undefined;

  constructor(options: {
    readonly jwks: JwtProviderConfig["jwks"];
    readonly clock: Clock;
    readonly fetchText: FetchText;
  }) {
    this.#jwks = options.jwks;
    this.#clock = options.clock;
    this.#fetchText = options.fetchText;
  }

  async keys(): Promise<KeySet | undefined> {
    if (this.#clock.monotonicMs() < this.#staleMs) return this.#keys;
    return await this.#load();
  }

  /** For a token whose key is not among the keys: it may be a new one. */
  async newerKeys(): Promise<KeySet | undefined> {
    return this.#jwks.remote === undefined ? undefined : await this.#load();
  }

  async #load(): Promise<KeySet | undefined> {
    if (this.#loading !== undefined) return await this.#loading;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#nextTryMs) return nowMs < this.#staleMs ? this.#keys : undefined;
    this.#loading = this.#read();
    const loaded = await this.#loading;
    this.#loading = undefined;
    const doneMs = this.#clock.monotonicMs();
    this.#nextTryMs = doneMs + cooldownMs;
    if (loaded !== undefined) {
      this.#keys = loaded;
      this.#staleMs = doneMs + (this.#jwks.remote?.cacheMs ?? Number.POSITIVE_INFINITY);
    }
    return loaded;
  }

  async #read(): Promise<KeySet | undefined> {
    const { inline, file, remote } = this.#jwks;
    if (inline !== undefined) return parseKeySet(inline);
    if (file !== undefined) return parseKeySet(await readFile(file, "utf8").catch(() => ""));
    for (let attempt = 0; remote !== undefined && attempt <= remote.retries; attempt++) {
      if (attempt > 0) await sleep(this.#clock, firstPauseMs * 2 ** (attempt - 1));
      const text = await this.#fetchText(remote.uri, remote.timeoutMs).catch(() => "");
      const keys = parseKeySet(text);
      if (keys !== undefined) return keys;
    }
    return undefined;
  }
}

/** Over HTTP or HTTPS with the machine's roots; no redirections, since the place is part of what is trusted. */
export function createFetchText(clock: Clock): FetchText {
  return async (uri, timeoutMs) => {
    const ending = new AbortController();
    const timer = clock.after(timeoutMs, () => ending.abort());
    try {
      const response = await fetch(uri, { redirect: "error", signal: ending.signal });
      if (response.status !== 200 || response.body === null) throw new Error(`answered ${response.status}`);
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of response.body) {
        size += chunk.length;
        if (size > maxBytes) throw new Error(`has more than ${maxBytes} bytes`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString("utf8");
    } finally {
      timer.cancel();
      ending.abort();
    }
  };
}
