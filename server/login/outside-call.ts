import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { withDeadline } from "../../lib/base/deadline.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Clock } from "../../lib/base/clock.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";

/**
 * A request to whoever vouches for an identity: bounded in time and size, over TLS verified against given roots or the
 * machine's, and never redirected, since the place is part of what is trusted.
 */
export interface OutsideRequest {
  readonly method: "GET" | "POST" | "PUT";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** PEM; empty: the roots of the machine. */
  readonly caPem?: string;
}

export interface OutsideAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Rejects with `UNAVAILABLE` that names the host and the reason, nothing of what was sent. */
export type OutsideCall = (request: OutsideRequest) => Promise<OutsideAnswer>;

const timeoutMs = 10_000;
const maxAnswerBytes = 1024 * 1024;

export function createOutsideCall(clock: Clock): OutsideCall {
  return async (request) => {
    const never = new AbortController().signal;
    try {
      return await withDeadline({ clock, timeoutMs, signal: never }, (signal) => call(request, signal));
    } catch (thrown) {
      const { host } = request.url;
      throw new AtollError("UNAVAILABLE", `${host} could not be asked: ${errorMessage(thrown)}`, {
        status: 500,
        cause: thrown,
      });
    }
  };
}

function call(request: OutsideRequest, signal: AbortSignal): Promise<OutsideAnswer> {
  const { url, body = "" } = request;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(tooLate());
      return;
    }
    const options = {
      method: request.method,
      headers: { ...request.headers, "content-length": String(Buffer.byteLength(body)) },
      agent: false,
      ...((request.caPem ?? "") !== "" && { ca: request.caPem }),
    } as const;
    const onAnswer = (message: IncomingMessage): void => {
      readBody(message).then(
        (text) =>
          resolve({
            status: message.statusCode ?? 0,
            contentType: message.headers["content-type"] ?? "",
            body: text,
          }),
        reject,
      );
    };
    const sent = url.protocol === "https:" ? httpsRequest(url, options, onAnswer) : httpRequest(url, options, onAnswer);
    sent.on("error", reject);
    signal.addEventListener(
      "abort",
      () => {
        sent.destroy();
        reject(tooLate());
      },
      { once: true },
    );
    sent.end(body);
  });
}

async function readBody(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxAnswerBytes) {
      message.destroy();
      throw new Error(`the answer has more than ${maxAnswerBytes} bytes`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function tooLate(): Error {
  return new Error(`no answer within ${timeoutMs / 1000} s`);
}

/** What a text of the configuration names; undefined for what is no http or https URL. */
export function readUrl(text: string): URL | undefined {
  try {
    const url = new URL(text);
    return ["http:", "https:"].includes(url.protocol) && url.username === "" && url.password === "" ? url : undefined;
  } catch {
    return undefined;
  }
}
