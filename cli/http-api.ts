import { errorMessage } from "../lib/base/errors.ts";
import { AtollError } from "../lib/contract/error-codes.ts";

/** The flag of every command that talks to an agent or a server. */
export const httpFlags = {
  "http-addr": {
    type: "string",
    placeholder: "address",
    summary:
      "The HTTP API to ask, as host:port or http://host:port. By default ATOLL_HTTP_ADDR or CONSUL_HTTP_ADDR, or 127.0.0.1:8500.",
  },
  stale: { type: "boolean", summary: "Ask any server, also when there is no leader." },
} as const;

export interface HttpApi {
  /** The body of a good answer; anything else is thrown with what the server said. */
  call(request: ApiRequest): Promise<Buffer>;
  json(request: ApiRequest): Promise<unknown>;
  /** As `call`; undefined where nothing is: a 404 that says nothing. */
  find(request: ApiRequest): Promise<Buffer | undefined>;
}

export interface ApiRequest {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Without the query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** Longer than a server holds a request while there is no leader, and long enough for a large snapshot. */
const timeoutMs = 120_000;
const defaultAddress = "127.0.0.1:8500";

export function createHttpApi(options: {
  readonly address: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}): HttpApi {
  const base = baseUrl(options.address ?? options.env["ATOLL_HTTP_ADDR"] ?? options.env["CONSUL_HTTP_ADDR"] ?? "");
  const find: HttpApi["find"] = async (request) => {
    const url = new URL(request.path, base);
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    const { method } = request;
    let answer: Response;
    let bytes: Buffer;
    try {
      const body = request.body === undefined ? {} : { body: request.body };
      answer = await fetch(url, { method, ...body, signal: AbortSignal.timeout(timeoutMs) });
      bytes = Buffer.from(await answer.arrayBuffer());
    } catch (thrown) {
      const message = `no answer from ${base.origin}: ${errorMessage(thrown)}; is an agent running there (-http-addr)?`;
      throw new AtollError("UNAVAILABLE", message, { cause: thrown });
    }
    if (answer.ok) return bytes;
    const text = bytes.toString("utf8").trim();
    if (answer.status === 404 && text === "") return undefined;
    throw new AtollError("INTERNAL", `${base.origin} answered ${answer.status}: ${text === "" ? "nothing" : text}`);
  };
  const call: HttpApi["call"] = async (request) => {
    const bytes = await find(request);
    if (bytes !== undefined) return bytes;
    throw new AtollError("INTERNAL", `${base.origin} answered 404: nothing`);
  };
  return {
    call,
    find,
    async json(request) {
      const bytes = await call(request);
      try {
        const value: unknown = JSON.parse(bytes.toString("utf8"));
        return value;
      } catch (cause) {
        throw new AtollError("INTERNAL", `${base.origin} answered ${request.path} with something that is no JSON`, {
          cause,
        });
      }
    },
  };
}

function baseUrl(text: string): URL {
  const address = text === "" ? defaultAddress : text;
  try {
    const url = new URL(/^[a-z]+:\/\//.test(address) ? address : `http://${address}`);
    if ((url.protocol === "http:" || url.protocol === "https:") && url.hostname !== "") return url;
  } catch {
    // Said below.
  }
  throw new AtollError("INVALID_ARGUMENT", `HTTP address "${address}" is none: give host:port or http://host:port`);
}
