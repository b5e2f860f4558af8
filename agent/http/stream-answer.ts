import type { FastifyReply } from "fastify";
import { requestSignal } from "../../lib/http/open-requests.ts";

/** An answer that goes on until its client goes away, in chunks, with a bounded queue for a client that reads slowly. */
export interface StreamAnswer {
  /** Sends or queues one piece; when the queue is full it is dropped and counted. */
  send(piece: string): void;
  /** Aborted when the client has gone or the app closes. */
  readonly signal: AbortSignal;
}

export interface StreamAnswerOptions {
  readonly contentType: string;
  readonly maxQueued: number;
  /** What a client that reads again is told of what it missed. */
  readonly missed: (count: number) => string;
}

/** Sends the headers at once, so that the client knows that it is heard. The answer ends with the client, or with the app. */
export function startStream(reply: FastifyReply, options: StreamAnswerOptions): StreamAnswer {
  const { raw } = reply;
  const signal = requestSignal(reply);
  const queue: string[] = [];
  let missed = 0;
  let isFull = false;
  reply.hijack();
  raw.writeHead(200, { "content-type": options.contentType, "x-content-type-options": "nosniff" });
  raw.flushHeaders();
  const write = (piece: string): void => {
    if (!raw.write(piece)) isFull = true;
  };
  const drain = (): void => {
    isFull = false;
    for (let piece = queue.shift(); piece !== undefined; piece = queue.shift()) {
      write(piece);
      if (isFull) return;
    }
    if (missed === 0) return;
    const count = missed;
    missed = 0;
    write(options.missed(count));
  };
  raw.on("drain", drain);
  raw.on("error", () => undefined);
  signal.addEventListener("abort", () => raw.end(), { once: true });
  return {
    signal,
    send(piece) {
      if (signal.aborted) return;
      // What was missed is told before anything newer, so that the gap is seen where it is.
      if (!isFull && missed === 0) write(piece);
      else if (missed === 0 && queue.length < options.maxQueued) queue.push(piece);
      else missed++;
    },
  };
}
