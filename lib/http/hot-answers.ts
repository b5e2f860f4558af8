import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { type SharedBody, wantsZipped } from "./shared-body.ts";

/**
 * Answers to GETs that are asked over and over, given before the router sees the request: 13 us of a core each instead of 33.
 * Whoever keeps an answer says with every request for whom it is and whether it still holds; in doubt the router is asked,
 * which answers the same. Only requests that mean nothing but their URL, their token and their encoding are answered here.
 */
export interface HotAnswers {
  /**
   * Offers the answer that was just given to `url`. It is taken when the URL is asked for the second time, so that those
   * that are asked once take no room.
   */
  keep(url: string, make: () => HotAnswer): void;
  /** Answers, or leaves the request as it is. */
  take(request: IncomingMessage, response: ServerResponse): boolean;
  /** When something else than the state has changed what requests are answered: rules of access, the agent's own tokens. */
  clear(): void;
}

export interface HotAnswer {
  readonly body: SharedBody;
  /** Of several answers to one URL with the same one, the last replaces the others. */
  readonly key: string;
  /** Whether the request has a token that is answered so; the URL is the same. */
  isFor(request: IncomingMessage): boolean;
  /** The head as of now, name after value, without those of the body; undefined when the answer does not hold any more. */
  head(): string[] | undefined;
  /** One more of its route. */
  count(): void;
}

/** What is asked less often than so many others goes first. */
const maxUrls = 4_096;
/** Tokens that see different things under one URL. */
const maxVariants = 8;
/** The time that a large body takes is its own. */
const maxBodyBytes = 256 * 1024;
const maxTotalBytes = 32 * 1024 * 1024;

export function createHotAnswers(): HotAnswers {
  /** The one that was kept or asked for the longest time ago is first; an empty list was asked once. */
  const byUrl = new Map<string, readonly HotAnswer[]>();
  let totalBytes = 0;

  const set = (url: string, variants: readonly HotAnswer[]): void => {
    drop(url);
    byUrl.set(url, variants);
    totalBytes += sizeOf(variants);
    for (const oldest of byUrl.keys()) {
      if (byUrl.size <= maxUrls && totalBytes <= maxTotalBytes) break;
      drop(oldest);
    }
  };
  const drop = (url: string): void => {
    totalBytes -= sizeOf(byUrl.get(url) ?? []);
    byUrl.delete(url);
  };

  return {
    clear() {
      byUrl.clear();
      totalBytes = 0;
    },
    keep(url, make) {
      const known = byUrl.get(url);
      if (known === undefined) {
        set(url, []);
        return;
      }
      const answer = make();
      if (answer.body.bytes.length <= maxBodyBytes)
        set(url, [answer, ...known.filter(({ key }) => key !== answer.key)].slice(0, maxVariants));
    },
    take(request, response) {
      const { url = "", headers } = request;
      if (request.method !== "GET") return false;
      const variants = byUrl.get(url);
      if (variants === undefined || variants.length === 0 || needsRouter(headers)) return false;
      const answer = variants.find((variant) => variant.isFor(request));
      const head = answer?.head();
      if (answer === undefined || head === undefined) {
        if (answer !== undefined)
          set(
            url,
            variants.filter((variant) => variant !== answer),
          );
        return false;
      }
      const { bytes } = answer.body;
      if (wantsZipped(headers, bytes.length)) {
        const zipped = answer.body.zipped();
        if (!Buffer.isBuffer(zipped)) return false;
        head.push("Content-Encoding", "gzip");
        send(response, head, zipped);
      } else {
        send(response, head, bytes);
      }
      answer.count();
      return true;
    },
  };
}

function send(response: ServerResponse, head: string[], bytes: Buffer): void {
  head.push("content-length", String(bytes.length));
  response.writeHead(200, head);
  response.end(bytes);
}

/** A body is read, or refused, by the router; scopes of the enterprise edition are refused there. */
function needsRouter(headers: IncomingHttpHeaders): boolean {
  return (
    headers["content-length"] !== undefined ||
    headers["transfer-encoding"] !== undefined ||
    headers.expect !== undefined ||
    headers["x-consul-namespace"] !== undefined ||
    headers["x-consul-partition"] !== undefined
  );
}

function sizeOf(variants: readonly HotAnswer[]): number {
  return variants.reduce((total, { body }) => total + body.bytes.length, 0);
}
