import type { Static, TSchema } from "typebox";
import Value from "typebox/value";

/** The public /v1 API of one agent or server, as any client would use it. */
export interface ApiClient {
  readonly url: string;
  /** Throws when the answer is not 200 or not of the given shape. */
  get<S extends TSchema>(path: string, schema: S): Promise<Static<S>>;
  put(path: string, body: unknown): Promise<void>;
}

const timeoutMs = 5_000;

export function createApiClient(url: string): ApiClient {
  const request = async (method: string, path: string, body?: string): Promise<string> => {
    const init = { method, signal: AbortSignal.timeout(timeoutMs), ...(body === undefined ? {} : { body }) };
    const response = await fetch(`${url}${path}`, init);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${method} ${path} answered ${response.status}: ${text.trim()}`);
    return text;
  };
  return {
    url,
    async get(path, schema) {
      const value: unknown = JSON.parse(await request("GET", path));
      if (!Value.Check(schema, value))
        throw new Error(`GET ${path} answered something unexpected: ${JSON.stringify(value)}`);
      return value;
    },
    async put(path, body) {
      await request("PUT", path, JSON.stringify(body));
    },
  };
}
