/**
 * The way to one peer: a bounded queue in front of one long-lived stream. At most one group is in the network's hands;
 * what comes meanwhile goes together into the next one, small messages (heartbeats, votes, answers) before appends, so
 * that a slow follower's backlog does not look like a dead leader. Raft tolerates loss and reordering: a full queue drops.
 */
import { createBackoff } from "../../../lib/base/backoff.ts";
import { errorMessage } from "../../../lib/base/errors.ts";
import type { Runtime } from "../../../lib/base/runtime.ts";
import type { Message, NodeId } from "../core/types.ts";
import type { MessageGroup, PeerStream, PeerWire } from "./peer-wire.ts";

export const maxQueuedMessages = 512;
export const maxQueuedBytes = 8 * 1024 * 1024;
/** One group on the wire: what a heartbeat may have to wait for. */
const maxGroupBytes = 512 * 1024;
const minRedialMs = 50;
const maxRedialMs = 1_000;
/**
 * A stream that lasted this long leads to the peer. A write alone proves nothing: where another server answers at the
 * address, it is taken by the network and refused a moment later.
 */
const provenAfterMs = 1_000;

export interface PeerSender {
  send(message: Message): void;
  close(): void;
}

export interface PeerSenderOptions {
  readonly wire: PeerWire;
  readonly to: NodeId;
  /** As of now; undefined while nobody knows. Asked at every dial. */
  readonly address: () => string | undefined;
  readonly envelope: () => Omit<MessageGroup, "to" | "messages">;
  readonly runtime: Runtime;
  /** Messages were lost: the leader should probe before it sends more. */
  readonly onUnreachable: () => void;
}

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "dialling"; readonly abort: AbortController }
  | { readonly kind: "open"; readonly stream: PeerStream; readonly sinceMs: number }
  | { readonly kind: "waiting"; readonly timer: { cancel(): void } }
  | { readonly kind: "closed" };

export function createPeerSender(options: PeerSenderOptions): PeerSender {
  const { wire, to, runtime } = options;
  const logger = runtime.logger.child("raft");
  const backoff = createBackoff({ minDelayMs: minRedialMs, maxDelayMs: maxRedialMs, random: runtime.random });
  let state: State = { kind: "idle" };
  let urgent: Message[] = [];
  let bulk: Message[] = [];
  let queuedBytes = 0;
  let isWriting = false;
  let isFlushQueued = false;
  let isReported = false;

  const drop = (): void => {
    urgent = [];
    bulk = [];
    queuedBytes = 0;
  };
  const takeGroup = (): Message[] => {
    const messages = urgent;
    urgent = [];
    let bytes = 0;
    let count = 0;
    for (const message of bulk) {
      if (count > 0 && bytes >= maxGroupBytes) break;
      bytes += sizeOf(message);
      count++;
    }
    queuedBytes -= bytes;
    return [...messages, ...bulk.splice(0, count)];
  };
  const lost = (reason: string): void => {
    drop();
    isWriting = false;
    if (state.kind === "closed") return;
    if (!isReported) logger.warn("a server cannot be reached", { node: to, address: options.address() ?? "", reason });
    isReported = true;
    state = {
      kind: "waiting",
      timer: runtime.clock.after(backoff.nextDelayMs(), () => {
        state = { kind: "idle" };
      }),
    };
    options.onUnreachable();
  };
  const dial = async (address: string): Promise<void> => {
    const abort = new AbortController();
    state = { kind: "dialling", abort };
    try {
      const stream = await wire.dial(address, abort.signal);
      if (abort.signal.aborted) {
        stream.close();
        return;
      }
      state = { kind: "open", stream, sinceMs: runtime.clock.monotonicMs() };
      stream.onEnd((reason) => {
        if (state.kind !== "open" || state.stream !== stream) return;
        stream.close();
        lost(reason);
      });
      void flush();
    } catch (thrown) {
      if (!abort.signal.aborted) lost(errorMessage(thrown));
    }
  };
  const flush = async (): Promise<void> => {
    if (state.kind !== "open" || isWriting) return;
    const { stream } = state;
    isWriting = true;
    try {
      while (urgent.length + bulk.length > 0) {
        await stream.write({ ...options.envelope(), to, messages: takeGroup() });
        if (state.kind !== "open" || state.stream !== stream) return;
        if (runtime.clock.monotonicMs() - state.sinceMs < provenAfterMs) continue;
        backoff.reset();
        if (isReported) logger.info("a server can be reached again", { node: to });
        isReported = false;
      }
      isWriting = false;
    } catch (thrown) {
      if (state.kind === "open" && state.stream === stream) {
        stream.close();
        lost(errorMessage(thrown));
      }
    }
  };
  const start = (): void => {
    if (state.kind === "open") void flush();
    if (state.kind !== "idle") return;
    const address = options.address();
    if (address === undefined) drop();
    else void dial(address);
  };
  /** What one turn of the loop sends shares a group. */
  const queueStart = (): void => {
    if (isFlushQueued) return;
    isFlushQueued = true;
    queueMicrotask(() => {
      isFlushQueued = false;
      start();
    });
  };

  return {
    send(message) {
      if (state.kind === "closed" || state.kind === "waiting") return;
      const size = sizeOf(message);
      if (urgent.length + bulk.length >= maxQueuedMessages || queuedBytes + size > maxQueuedBytes) {
        if (message.type === "append") options.onUnreachable();
        return;
      }
      if (message.type === "append") {
        bulk.push(message);
        queuedBytes += size;
      } else {
        urgent.push(message);
      }
      queueStart();
    },
    close() {
      if (state.kind === "dialling") state.abort.abort();
      if (state.kind === "open") state.stream.close();
      if (state.kind === "waiting") state.timer.cancel();
      state = { kind: "closed" };
      drop();
    },
  };
}

/** Characters stand for bytes: a bound on memory, not an exact size. */
function sizeOf(message: Message): number {
  if (message.type !== "append") return 0;
  let bytes = 64;
  for (const entry of message.entries) bytes += 32 + (entry.kind === "command" ? entry.data.length : 128);
  return bytes;
}
