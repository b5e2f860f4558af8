import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { errorMessage } from "../lib/base/errors.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { type Env, type HttpFlagValues, type HttpTarget, readHttpTarget } from "./http-target.ts";

export { httpFlags } from "./http-target.ts";

/** The HTTP API of an agent or server, as the commands that only ask use it. */
export interface HttpApi {
  /** The body of a good answer; anything else is thrown with what the server said. */
  call(request: ApiRequest): Promise<Buffer>;
  json(request: ApiRequest): Promise<unknown>;
  /** As `call`; undefined where nothing is: a 404 that says nothing. */
  find(request: ApiRequest): Promise<Buffer | undefined>;
  /** Whatever the answer is; only no answer at all is thrown. */
  ask(request: ApiRequest): Promise<ApiAnswer>;
  /** A good answer that goes on: hands out its pieces until it ends or the signal is aborted. */
  follow(request: ApiRequest, onData: (chunk: Buffer) => void, signal: AbortSignal): Promise<void>;
}

export interface ApiRequest {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Without the query. */
  readonly path: string;
  /** A list of pairs where a name comes several times. */
  readonly query?: Readonly<Record<string, string>> | readonly (readonly string[])[];
  readonly body?: Uint8Array | string;
  /** Another limit than two minutes: for blocking queries. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

/** Longer than a server holds a request while there is no leader, and long enough for a large snapshot. */
const defaultTimeoutMs = 120_000;
const maxErrorBytes = 64 * 1024;

/** The API that `flags` and the environment name; throws as {@link readHttpTarget} does. */
export function openHttpApi(options: { readonly flags: HttpFlagValues; readonly env: Env }): HttpApi {
  return apiOf(readHttpTarget(options.flags, options.env));
}

function apiOf(target: HttpTarget): HttpApi {
  const ask = async (request: ApiRequest): Promise<ApiAnswer> => {
    const timeout = AbortSignal.timeout(request.timeoutMs ?? defaultTimeoutMs);
    const signal = request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]);
    try {
      const message = await send(target, request, signal);
      const body = await readBody(message, signal);
      return { status: message.statusCode ?? 0, headers: message.headers, body };
    } catch (thrown) {
      throw noAnswer(target, timeout.aborted ? timeout.reason : thrown);
    }
  };
  const call = async (request: ApiRequest): Promise<Buffer> => {
    const answer = await ask(request);
    if (isGood(answer.status)) return answer.body;
    throw refused(target, answer.status, answer.body);
  };
  return {
    ask,
    call,
    async find(request) {
      const answer = await ask(request);
      if (isGood(answer.status)) return answer.body;
      if (answer.status === 404 && answer.body.toString("utf8").trim() === "") return undefined;
      throw refused(target, answer.status, answer.body);
    },
    async json(request) {
      const bytes = await call(request);
      try {
        const value: unknown = JSON.parse(bytes.toString("utf8"));
        return value;
      } catch (cause) {
        const message = `${target.shown} answered ${request.path} with something that is no JSON`;
        throw new AtollError("INTERNAL", message, { cause });
      }
    },
    async follow(request, onData, signal) {
      let message: IncomingMessage;
      try {
        message = await send(target, request, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        throw noAnswer(target, thrown);
      }
      if (!isGood(message.statusCode ?? 0)) {
        throw refused(target, message.statusCode ?? 0, await readBody(message, signal));
      }
      message.on("data", onData);
      await ended(message, signal).catch((thrown: unknown) => {
        if (!signal.aborted) throw noAnswer(target, thrown);
      });
    },
  };
}

function send(target: HttpTarget, request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { base, socketPath } = target;
  const url = new URL(base);
  url.pathname = `${base.pathname.replace(/\/$/, "")}${request.path}`;
  if (target.isStale && request.method === "GET") url.searchParams.set("stale", "");
  if (target.datacenter !== "") url.searchParams.set("dc", target.datacenter);
  for (const [name = "", value = ""] of queryPairs(request)) url.searchParams.append(name, value);
  const headers: Record<string, string> = {};
  if (target.token !== "") headers["x-consul-token"] = target.token;
  const body = request.body ?? "";
  if (request.method !== "GET") headers["content-length"] = String(Buffer.byteLength(body));
  const options = {
    method: request.method,
    headers,
    signal,
    agent: false,
    ...(socketPath !== undefined && { socketPath }),
    ...(target.basicAuth !== "" && { auth: target.basicAuth }),
  } as const;
  return new Promise((resolve, reject) => {
    const sent =
      url.protocol === "https:"
        ? httpsRequest(url, { ...options, ...target.tls }, resolve)
        : httpRequest(url, options, resolve);
    sent.once("error", reject);
    sent.end(body);
  });
}

function queryPairs({ query = {} }: ApiRequest): readonly (readonly string[])[] {
  return isPairs(query) ? query : Object.entries(query);
}

function isPairs(query: NonNullable<ApiRequest["query"]>): query is readonly (readonly string[])[] {
  return Array.isArray(query);
}

async function readBody(message: IncomingMessage, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  message.on("data", (chunk: Buffer) => chunks.push(chunk));
  await ended(message, signal);
  return Buffer.concat(chunks);
}

function ended(message: IncomingMessage, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      message.destroy();
      reject(signal.reason);
    };
    message.once("end", resolve);
    message.once("error", reject);
    message.once("close", () => reject(new Error("the connection was closed before the answer's end")));
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}

function isGood(status: number): boolean {
  return status >= 200 && status < 300;
}

function noAnswer({ shown }: HttpTarget, thrown: unknown): AtollError {
  const message = `no answer from ${shown}: ${errorMessage(thrown)}; is an agent running there (-http-addr)?`;
  return new AtollError("UNAVAILABLE", message, { cause: thrown });
}

function refused({ shown }: HttpTarget, status: number, body: Buffer): AtollError {
  const text = body.subarray(0, maxErrorBytes).toString("utf8").trim();
  const options = status >= 400 ? { status } : {};
  return new AtollError("INTERNAL", `${shown} answered ${status}: ${text === "" ? "nothing" : text}`, options);
}
