import { systemErrorCode } from "../../lib/base/errors.ts";
import { errorTable, isErrorCode } from "../../lib/contract/error-codes.ts";
import { errorCodeHeader } from "../../lib/http/error-answers.ts";

/** `refused` is certain to have had no effect; that the servers say so only when it is true is part of what is tested. */
export type WriteOutcome =
  | { readonly kind: "done"; readonly isApplied: boolean }
  | { readonly kind: "refused" }
  | { readonly kind: "unknown" };

/** The API's own limit on waiting for a leader is longer; an unknown outcome is what a client makes of it. */
const callTimeoutMs = 2_000;
const lastReadTimeoutMs = 10_000;

/**
 * Registers on top of the API of one server. Keys `node-*` are service instances of a node of their own, keys `entry-*` are
 * config entries; the value is in their Meta.
 */
export class CatalogClient {
  readonly #base: string;

  constructor(port: number) {
    this.#base = `http://127.0.0.1:${port}/v1`;
  }

  async write(key: string, value: string): Promise<WriteOutcome> {
    const service = { ID: key, Service: key, Port: 1, Meta: { value } };
    return await this.#put("catalog/register", { Node: key, Address: "10.0.0.1", Service: service });
  }

  async registerOnce(one: {
    readonly node: string;
    readonly service: string;
    readonly value: string;
  }): Promise<WriteOutcome> {
    const service = { ID: one.node, Service: one.service, Port: 1, Meta: { value: one.value } };
    return await this.#put("catalog/register", { Node: one.node, Address: "10.0.0.1", Service: service });
  }

  /** `index` is that of the version to replace, 0 for none. */
  async compareAndSet(key: string, value: string, index: number): Promise<WriteOutcome> {
    return await this.#put(`config?cas=${index}`, { Kind: "service-defaults", Name: key, Meta: { value } });
  }

  /** A `consistent` read; `value` null when there is nothing, undefined without an answer. */
  async read(key: string): Promise<{ readonly value: string | null; readonly index: number } | undefined> {
    const path = key.startsWith("entry-") ? `config/service-defaults/${key}` : `catalog/service/${key}`;
    const answer = await this.#get(`${path}?consistent`);
    if (answer === undefined) return undefined;
    if (answer.status === 404) return { value: null, index: 0 };
    const record: unknown = Array.isArray(answer.body) ? answer.body[0] : answer.body;
    if (record === undefined) return { value: null, index: 0 };
    const meta = fieldOf(record, "ServiceMeta") ?? fieldOf(record, "Meta");
    const value = fieldOf(meta, "value");
    const index = fieldOf(record, "ModifyIndex");
    if (typeof value !== "string" || typeof index !== "number") throw new Error(`not a record: ${path}`);
    return { value, index };
  }

  /** All instances of these services: their nodes, with the value of each. */
  async readOnce(services: readonly string[]): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const service of services) {
      const answer = await this.#get(`catalog/service/${service}?consistent`, lastReadTimeoutMs);
      if (answer === undefined || !Array.isArray(answer.body)) throw new Error(`no answer to the read of ${service}`);
      for (const record of answer.body) {
        found.set(String(fieldOf(record, "Node")), String(fieldOf(fieldOf(record, "ServiceMeta"), "value")));
      }
    }
    return found;
  }

  async #get(path: string, timeoutMs = callTimeoutMs): Promise<{ status: number; body: unknown } | undefined> {
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const answer = await fetch(`${this.#base}/${path}`, { signal, keepalive: false });
      const text = await answer.text();
      if (answer.ok) return { status: answer.status, body: JSON.parse(text) };
      return answer.status === 404 ? { status: 404, body: undefined } : undefined;
    } catch {
      return undefined;
    }
  }

  /** Never on a kept connection: the HTTP client would repeat the call by itself when that one turns out to be dead. */
  async #put(path: string, body: object): Promise<WriteOutcome> {
    try {
      const answer = await fetch(`${this.#base}/${path}`, {
        method: "PUT",
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(callTimeoutMs),
        keepalive: false,
      });
      const text = (await answer.text()).trim();
      if (answer.ok) return { kind: "done", isApplied: text !== "false" };
      if (answer.status < 500 && answer.status !== 429) throw new Error(`a wrong call, ${path}: ${text}`);
      const code = answer.headers.get(errorCodeHeader) ?? "";
      const isWithoutEffect = isErrorCode(code) && errorTable[code].retryable === "yes";
      return { kind: isWithoutEffect ? "refused" : "unknown" };
    } catch (thrown) {
      if (thrown instanceof Error && thrown.message.startsWith("a wrong call")) throw thrown;
      const isRefused = ["ConnectionRefused", "ECONNREFUSED"].includes(systemErrorCode(thrown) ?? "");
      return { kind: isRefused ? "refused" : "unknown" };
    }
  }
}

function fieldOf(record: unknown, name: string): unknown {
  if (typeof record !== "object" || record === null) return undefined;
  return Object.entries(record).find(([field]) => field === name)?.[1];
}
