/**
 * The leader's end of the streams that carry forwarded requests. All requests of a stream run at the same time; each is
 * answered when it is done, in one message with what else is done in that turn of the event loop.
 */
import { Metadata, type ServerDuplexStream } from "@grpc/grpc-js";
import type { Clock } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Logger } from "../../lib/base/logger.ts";
import { atEndOfTurn } from "../../lib/base/turn.ts";
import { maxMessageBytes } from "../../lib/client/grpc-client.ts";
import { toRpcStatus } from "../../lib/client/rpc-errors.ts";
import type { ForwardRequest, ForwardResponse } from "../../lib/client/server-link.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { maxBatchBytes, maxRunningRequests, maxUnsentBytes } from "./forward-limits.ts";
import type { ForwardedAnswer, ForwardedAnswers, ForwardedRequest, ForwardedRequests } from "./raft-methods.ts";
import type { TlsPeer } from "./caller.ts";
import type { ServerCaller } from "./server-caller.ts";

/** The longest that timers can be set for. */
const maxTimerMs = 2_000_000_000;
/** A message has room for one such answer and what is around it. */
const maxAnswerBytes = maxMessageBytes - 64 * 1024;

export type ForwardManyStream = ServerDuplexStream<ForwardedRequests, ForwardedAnswers>;

export interface ForwardServiceOptions {
  /** Throws for everybody but a server of the cluster. */
  readonly check: (peer: TlsPeer) => ServerCaller;
  readonly run: (request: ForwardRequest, signal: AbortSignal) => Promise<ForwardResponse>;
  readonly countCall: (method: string, code: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ForwardService {
  forwardMany(stream: ForwardManyStream): void;
  /** Runs no further request, and has the followers end their streams when they have the answers that are under way. */
  close(): void;
}

export function createForwardService(options: ForwardServiceOptions): ForwardService {
  const streams = new Set<{ close(): void }>();
  let isClosing = false;
  return {
    forwardMany(stream) {
      try {
        if (isClosing) throw stopping();
        const caller = options.check(stream.getAuthContext());
        const served = serveStream(stream, { ...options, caller, onEnd: () => streams.delete(served) });
        streams.add(served);
      } catch (thrown) {
        options.countCall("ForwardMany", thrown instanceof AtollError ? thrown.code : "INTERNAL");
        // The way of grpc-js to end a stream with a status.
        stream.emit("error", toRpcStatus(thrown));
      }
    },
    close() {
      isClosing = true;
      for (const stream of streams) stream.close();
    },
  };
}

function serveStream(
  stream: ForwardManyStream,
  options: ForwardServiceOptions & { readonly caller: ServerCaller; readonly onEnd: () => void },
): { close(): void } {
  const { caller, clock, countCall, logger } = options;
  const running = new Map<number, AbortController>();
  let unsent: ForwardedAnswer[] = [];
  let unsentBytes = 0;
  let isFlushDue = false;
  let isWriting = false;
  let isClosing = false;
  let isClosingSaid = false;
  let isOver = false;

  const flushLater = (): void => {
    if (isFlushDue || isWriting || isOver) return;
    isFlushDue = true;
    atEndOfTurn(flush);
  };
  const flush = (): void => {
    isFlushDue = false;
    if (isWriting || isOver || (unsent.length === 0 && isClosingSaid === isClosing)) return;
    isWriting = true;
    isClosingSaid = isClosing;
    stream.write({ answers: takeBatch(), isClosing }, () => {
      isWriting = false;
      if (unsentBytes <= maxUnsentBytes / 2 && stream.isPaused()) stream.resume();
      flush();
    });
  };
  const takeBatch = (): ForwardedAnswer[] => {
    let bytes = 0;
    let taken = 0;
    for (const answer of unsent) {
      const size = sizeOf(answer);
      if (taken > 0 && bytes + size > maxBatchBytes) break;
      bytes += size;
      taken++;
    }
    const batch = taken === unsent.length ? unsent : unsent.slice(0, taken);
    unsent = taken === unsent.length ? [] : unsent.slice(taken);
    unsentBytes -= bytes;
    return batch;
  };
  const answer = (one: ForwardedAnswer): void => {
    unsent.push(one);
    unsentBytes += sizeOf(one);
    // The follower always reads, so that this comes to an end.
    if (unsentBytes > maxUnsentBytes) stream.pause();
    flushLater();
  };
  const refuse = (id: number, thrown: unknown): void => {
    const error =
      thrown instanceof AtollError ? thrown : new AtollError("INTERNAL", "internal error: see the server's log");
    countCall("Forward", error.code);
    const { code, status, message, leader } = error;
    answer({ id, error: { code, status, message, leader } });
  };

  const run = (request: ForwardedRequest): void => {
    const { id } = request;
    if (isClosing || running.size >= maxRunningRequests || running.has(id)) {
      refuse(id, isClosing ? stopping() : tooMany());
      return;
    }
    const cancelled = new AbortController();
    running.set(id, cancelled);
    const isWanted = (): boolean => running.get(id) === cancelled && running.delete(id);
    options.run(request, cancelled.signal).then(
      ({ status, headers, body }) => {
        if (!isWanted()) return;
        if (body.byteLength > maxAnswerBytes) {
          refuse(
            id,
            new AtollError(
              "TOO_LARGE",
              `the answer has ${body.byteLength} bytes, at most ${maxAnswerBytes} can be sent on`,
            ),
          );
          return;
        }
        countCall("Forward", "OK");
        answer({ id, status, headers, body });
      },
      (thrown: unknown) => {
        // What was broken off fails in many ways, none of which is a fault.
        if (!isWanted()) return;
        if (!(thrown instanceof AtollError)) {
          logger.error("a forwarded request failed", { error: errorMessage(thrown) });
        }
        refuse(id, thrown);
      },
    );
  };
  const cancel = (id: number): void => {
    const cancelled = running.get(id);
    if (cancelled === undefined) return;
    running.delete(id);
    countCall("Forward", "UNAVAILABLE");
    cancelled.abort();
  };

  /** Nobody waits for the answers any more. */
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    expiry.cancel();
    for (const cancelled of running.values()) cancelled.abort();
    running.clear();
    unsent = [];
    options.onEnd();
  };
  const expire = (): void => {
    if (isOver) return;
    end();
    countCall("ForwardMany", "PERMISSION_DENIED");
    stream.emit(
      "error",
      toRpcStatus(new AtollError("PERMISSION_DENIED", "the certificate of this stream has expired")),
    );
  };
  const expiry = clock.after(Math.min(caller.notAfterMs - clock.nowMs(), maxTimerMs), expire);
  stream.on("data", ({ requests, cancelledIds }: ForwardedRequests) => {
    // A timer may be late, or set for less than the certificate's life.
    if (clock.nowMs() > caller.notAfterMs) expire();
    if (isOver) return;
    for (const request of requests) run(request);
    for (const id of cancelledIds) cancel(id);
  });
  stream.on("end", () => {
    if (!isOver) countCall("ForwardMany", "OK");
    end();
    stream.end();
  });
  stream.on("cancelled", end);
  stream.on("close", end);
  stream.on("error", end);
  stream.sendMetadata(new Metadata());
  return {
    close() {
      isClosing = true;
      flushLater();
    },
  };
}

function sizeOf({ body }: ForwardedAnswer): number {
  return 256 + (body?.byteLength ?? 0);
}

function stopping(): AtollError {
  return new AtollError("NO_LEADER", "this server is stopping");
}

function tooMany(): AtollError {
  return new AtollError("RATE_LIMITED", `a stream carries at most ${maxRunningRequests} requests at a time`);
}
