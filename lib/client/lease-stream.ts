/**
 * The lease of an agent's node over a stream to one server. Every renewal is answered; a server that falls silent, or ends
 * the stream, is left for another one long before the lease has run out.
 */
import { type ClientDuplexStream, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { createBackoff } from "../base/backoff.ts";
import type { Timer } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import type { Runtime } from "../base/runtime.ts";
import { renewalIntervalMs } from "../contract/members.ts";
import { type LeaseAnswerMessage, type LeaseRenewal, rpcMethods } from "./rpc-methods.ts";
import type { ServerConnection, ServerConnections } from "./server-connections.ts";
import type { LeaseListener, LeaseRequest } from "./server-link.ts";
import { fromWireServerPlace, toWireCoordinate } from "./wire-coordinate.ts";

type Stream = ClientDuplexStream<LeaseRenewal, LeaseAnswerMessage>;

/** Also the longest pause: a lease that waits for longer would run out in the first seconds of a new leader. */
const retryDelays = { minDelayMs: 50, maxDelayMs: 2_000 };
/** A server of an older release gives no lease; it may be upgraded in place. */
const olderServerMs = 30_000;

export interface LeaseStream {
  /** Opens the stream anew, over a connection with the present credentials. */
  restart(): void;
  close(): void;
}

export function createLeaseStream(options: {
  readonly connections: ServerConnections;
  readonly runtime: Runtime;
  readonly request: LeaseRequest;
  readonly listener: LeaseListener;
}): LeaseStream {
  const { connections, request, listener } = options;
  const own = listener.coordinate;
  const { clock, logger, random } = options.runtime;
  const stopping = new AbortController();
  const backoff = createBackoff({ ...retryDelays, random });
  let stream: Stream | undefined;
  let isOpening = false;
  let timer: Timer | undefined;

  const open = async (): Promise<void> => {
    if (isOpening || stream !== undefined || stopping.signal.aborted) return;
    isOpening = true;
    timer?.cancel();
    try {
      const connection = await connections.connect(stopping.signal);
      isOpening = false;
      if (!stopping.signal.aborted) start(connection);
    } catch (thrown) {
      isOpening = false;
      retryLater(errorMessage(thrown), backoff.nextDelayMs());
    }
  };

  const start = (connection: ServerConnection): void => {
    const { path, requestSerialize, responseDeserialize } = rpcMethods.Lease;
    const opened: Stream = connection.client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      new Metadata(),
    );
    stream = opened;
    let wasGiven: boolean | undefined;
    let isWaiting = true;
    // Agents that come together shall not all measure against one server.
    let turn = Math.floor(random.float() * 1_000);
    own?.forgetTold();
    const renewals = (): void => {
      timer = clock.after(renewalIntervalMs(request), () => {
        if (isWaiting) {
          end("the server does not answer");
          opened.cancel();
          return;
        }
        isWaiting = true;
        renew();
        renewals();
      });
    };
    const renew = (): void => {
      const news = own?.news();
      opened.write({
        ...(own?.wantsReference() === true && { turn: ++turn }),
        ...(news !== undefined && { coordinate: toWireCoordinate(news) }),
      });
    };
    const end = (reason: string, isOlder = false): void => {
      if (stream !== opened) return;
      stream = undefined;
      timer?.cancel();
      if (!isOlder) connections.giveUp(connection);
      retryLater(reason, isOlder ? olderServerMs : backoff.nextDelayMs());
    };
    opened.on("data", (answer: LeaseAnswerMessage) => {
      if (stream !== opened) return;
      isWaiting = false;
      const reference = fromWireServerPlace(answer.reference);
      if (reference !== undefined) own?.measure(reference, answer.members ?? 1);
      // Only a lease that is given is a reason to come back quickly.
      const { isGiven, refusal, isOutOfDate } = answer;
      if (refusal === "") backoff.reset();
      if (isGiven !== wasGiven || refusal !== "" || isOutOfDate) listener.onAnswer({ isGiven, refusal, isOutOfDate });
      wasGiven = isGiven;
    });
    opened.on("error", (error: ServiceError) => {
      const isOlder = error.code === status.UNIMPLEMENTED;
      end(isOlder ? "the server is of a release without leases" : error.message, isOlder);
    });
    opened.on("end", () => end("the server ended the stream"));
    opened.write({ request: toWire(request) });
    renewals();
  };

  const retryLater = (reason: string, delayMs: number): void => {
    if (stopping.signal.aborted) return;
    logger.debug("the lease's stream is down", { reason, retryInMs: Math.round(delayMs) });
    listener.onDown(reason);
    timer?.cancel();
    timer = clock.after(delayMs, () => void open());
  };

  const drop = (): void => {
    const old = stream;
    stream = undefined;
    timer?.cancel();
    old?.cancel();
  };

  void open();
  return {
    restart() {
      drop();
      void open();
    },
    close() {
      stopping.abort();
      drop();
    },
  };
}

function toWire({ ID, Address, Build, Class, TtlMs, ReapAfterMs }: LeaseRequest): NonNullable<LeaseRenewal["request"]> {
  return { id: ID, address: Address, build: Build, nodeClass: Class, ttlMs: TtlMs, reapAfterMs: ReapAfterMs };
}
