/**
 * The follower's end of the stream that carries forwarded requests: each has an id, answers come in any order, what one
 * turn of the event loop brings goes in one message, and the next message is written when the network has taken the last.
 * A call of its own costs both ends 900 us of CPU on Bun's HTTP/2.
 */
import { type Client, type ClientDuplexStream, Metadata, type ServiceError, status as grpcStatus } from "@grpc/grpc-js";
import type { Clock, Timer } from "../../lib/base/clock.ts";
import { atEndOfTurn } from "../../lib/base/turn.ts";
import { fromServiceError, lostAnswer } from "../../lib/client/rpc-errors.ts";
import type { ForwardRequest, ForwardResponse } from "../../lib/client/server-link.ts";
import { AtollError, isErrorCode } from "../../lib/contract/error-codes.ts";
import { maxBatchBytes, maxOpenRequests, maxWaitingBytes } from "./forward-limits.ts";
import {
  type ForwardedAnswer,
  type ForwardedAnswers,
  type ForwardedError,
  type ForwardedRequest,
  type ForwardedRequests,
  raftMethods,
} from "./raft-methods.ts";

/** A leader that was reached lets a caller in at once. */
const acceptTimeoutMs = 2_000;
const maxId = 0xffff_ffff;

export interface ForwardStream {
  /** Whether it takes another request. */
  hasRoom(): boolean;
  /**
   * Runs the request at the leader. Rejects with `NO_LEADER` when it was certainly not sent, and with what a lost answer
   * means for it when the stream breaks, its time is over or `signal` is aborted.
   */
  send(
    request: ForwardRequest,
    options: { readonly isWrite: boolean; readonly signal: AbortSignal },
  ): Promise<ForwardResponse>;
  /** Takes no further request; ends when those under way are answered. */
  retire(): void;
}

export interface ForwardStreamOptions {
  readonly client: Client;
  readonly address: string;
  readonly clock: Clock;
  /** Of each request. */
  readonly timeoutMs: number;
  /** The leader stops: no further request may go there. */
  readonly onClosing: () => void;
  readonly onEnd: () => void;
}

interface Pending {
  readonly request: ForwardedRequest;
  readonly isWrite: boolean;
  readonly deadlineMs: number;
  isSent: boolean;
  settle(outcome: ForwardResponse | AtollError): void;
}

/**
 * Resolves when the leader has let this server in; undefined when it is of a release that does not know the stream.
 * Rejects with an `AtollError` for any other refusal: nothing has been sent then.
 */
export async function openForwardStream(options: ForwardStreamOptions): Promise<ForwardStream | undefined> {
  const { client, address, clock, onEnd } = options;
  const { path, requestSerialize, responseDeserialize } = raftMethods.ForwardMany;
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata());
  const stream = createStream(call, options);
  const accepted = Promise.withResolvers<boolean>();
  const timer = clock.after(acceptTimeoutMs, () => call.cancel());
  call.on("metadata", () => accepted.resolve(true));
  call.on("data", stream.receive);
  const end = (how: string): void => {
    stream.end(how);
    onEnd();
  };
  call.on("error", (error: ServiceError) => {
    if (error.code === grpcStatus.UNIMPLEMENTED) accepted.resolve(false);
    else accepted.reject(fromServiceError(error, { method: "ForwardMany", address, isWrite: false }));
    end(error.details);
  });
  call.on("end", () => {
    accepted.reject(new AtollError("NO_LEADER", `the server at ${address} ended the stream`));
    end("the leader ended the stream");
  });
  try {
    return (await accepted.promise) ? stream : undefined;
  } finally {
    timer.cancel();
  }
}

type Call = ClientDuplexStream<ForwardedRequests, ForwardedAnswers>;

function createStream(call: Call, { address, clock, timeoutMs, onClosing }: ForwardStreamOptions) {
  /** By id, in the order in which they came: of their deadlines, too. */
  const pending = new Map<number, Pending>();
  let waiting: Pending[] = [];
  let waitingBytes = 0;
  let cancelledIds: number[] = [];
  let lastId = 0;
  let isFlushDue = false;
  let isWriting = false;
  let isRetired = false;
  let hasEnded = false;
  let deadline: Timer | undefined;

  const flushLater = (): void => {
    if (isFlushDue || isWriting || hasEnded) return;
    isFlushDue = true;
    atEndOfTurn(flush);
  };
  const flush = (): void => {
    isFlushDue = false;
    if (isWriting || hasEnded) return;
    const requests = takeBatch();
    if (requests.length > 0 || cancelledIds.length > 0) {
      isWriting = true;
      const message = { requests, cancelledIds };
      cancelledIds = [];
      call.write(message, () => {
        isWriting = false;
        flush();
      });
    } else if (isRetired && pending.size === 0) {
      call.end();
    }
  };
  const takeBatch = (): ForwardedRequest[] => {
    const batch: ForwardedRequest[] = [];
    let bytes = 0;
    let taken = 0;
    for (const one of waiting) {
      const size = sizeOf(one.request);
      if (taken > 0 && bytes + size > maxBatchBytes) break;
      taken++;
      // Those that were given up meanwhile are not pending any more.
      if (pending.get(one.request.id) !== one) continue;
      bytes += size;
      one.isSent = true;
      batch.push(one.request);
    }
    waiting = taken === waiting.length ? [] : waiting.slice(taken);
    waitingBytes -= bytes;
    return batch;
  };
  const nextId = (): number => {
    do lastId = lastId === maxId ? 1 : lastId + 1;
    while (pending.has(lastId));
    return lastId;
  };
  const finish = (one: Pending, outcome: ForwardResponse | AtollError): void => {
    pending.delete(one.request.id);
    if (!one.isSent) waitingBytes -= sizeOf(one.request);
    one.settle(outcome);
    if (isRetired && pending.size === 0) flushLater();
  };
  /** The answer is of no use any more, whatever becomes of it. */
  const giveUp = (one: Pending, code: "UNAVAILABLE" | "TIMEOUT", how: string): void => {
    if (pending.get(one.request.id) !== one) return;
    if (one.isSent) {
      cancelledIds.push(one.request.id);
      flushLater();
    }
    const where = `Forward on server ${address} ${how}`;
    const isUnknown = one.isSent && one.isWrite;
    finish(one, lostAnswer({ code: one.isSent ? code : "UNAVAILABLE", how: where, isWrite: isUnknown }));
  };
  const expire = (): void => {
    deadline = undefined;
    const nowMs = clock.monotonicMs();
    for (const one of pending.values()) {
      if (one.deadlineMs > nowMs) break;
      giveUp(one, "TIMEOUT", "got no answer in time");
    }
    watchDeadline();
  };
  const watchDeadline = (): void => {
    if (deadline !== undefined) return;
    for (const oldest of pending.values()) {
      deadline = clock.after(Math.max(0, oldest.deadlineMs - clock.monotonicMs()), expire);
      return;
    }
  };
  const retire = (): void => {
    isRetired = true;
    flushLater();
  };

  return {
    hasRoom: () => !isRetired && !hasEnded && pending.size < maxOpenRequests,
    retire,
    send(forwarded: ForwardRequest, { isWrite, signal }: { readonly isWrite: boolean; readonly signal: AbortSignal }) {
      return new Promise<ForwardResponse>((resolve, reject) => {
        const size = sizeOf(forwarded);
        const refusal = signal.aborted
          ? new AtollError("UNAVAILABLE", "Forward was cancelled before it was sent")
          : waitingBytes + size > maxWaitingBytes
            ? new AtollError("NO_LEADER", `the leader at ${address} takes no more requests at the moment`)
            : undefined;
        if (refusal !== undefined) {
          reject(refusal);
          return;
        }
        const { method, url, headers, body } = forwarded;
        const one: Pending = {
          request: { id: nextId(), method, url, headers, body },
          isWrite,
          deadlineMs: clock.monotonicMs() + timeoutMs,
          isSent: false,
          settle(outcome) {
            signal.removeEventListener("abort", abort);
            if (outcome instanceof AtollError) reject(outcome);
            else resolve(outcome);
          },
        };
        const abort = (): void => giveUp(one, "UNAVAILABLE", "was cancelled");
        signal.addEventListener("abort", abort, { once: true });
        pending.set(one.request.id, one);
        waiting.push(one);
        waitingBytes += size;
        watchDeadline();
        flushLater();
      });
    },
    receive({ answers, isClosing }: ForwardedAnswers): void {
      for (const answer of answers) {
        const one = pending.get(answer.id);
        if (one !== undefined) finish(one, outcomeOf(answer));
      }
      if (isClosing === true) onClosing();
    },
    /** What was sent may have been run, what was not has certainly had no effect. */
    end(how: string): void {
      hasEnded = true;
      deadline?.cancel();
      deadline = undefined;
      waiting = [];
      const text = `the stream to the leader at ${address} has ended: ${how}`;
      for (const one of [...pending.values()]) {
        const { isWrite, isSent } = one;
        finish(
          one,
          isSent ? lostAnswer({ code: "UNAVAILABLE", how: text, isWrite }) : new AtollError("NO_LEADER", text),
        );
      }
    },
  };
}

/** About what it takes on the way. */
function sizeOf(request: ForwardRequest): number {
  return 512 + request.url.length + request.body.byteLength;
}

function outcomeOf({ status, headers, body, error }: ForwardedAnswer): ForwardResponse | AtollError {
  if (error !== undefined && error !== null) return errorOf(error);
  return { status: status ?? 500, headers: headers ?? {}, body: body ?? new Uint8Array() };
}

function errorOf({ code, status, message, leader }: ForwardedError): AtollError {
  if (!isErrorCode(code)) return new AtollError("INTERNAL", message);
  return new AtollError(code, message, { leader, ...(status >= 400 ? { status } : {}) });
}
