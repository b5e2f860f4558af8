/**
 * All subscriptions of a process over one stream to one server. The stream comes back by itself with a growing delay, and
 * every topic is then asked for again; until then the last values stand.
 */
import { type ClientDuplexStream, Metadata } from "@grpc/grpc-js";
import { createBackoff } from "../base/backoff.ts";
import type { Timer } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import type { Runtime } from "../base/runtime.ts";
import { type Topic, topicKey } from "../contract/topics.ts";
import { rpcMethods, type SubscribeRequest, type TopicUpdate } from "./rpc-methods.ts";
import type { Subscription } from "./server-link.ts";
import type { ServerConnection, ServerConnections } from "./server-connections.ts";
import { toWireTopic } from "./wire-topic.ts";

type Stream = ClientDuplexStream<SubscribeRequest, TopicUpdate>;

export interface TopicStream {
  /** `onJson` gets the value as it came; a topic with several listeners travels once. */
  subscribe(topic: Topic, onJson: (json: Uint8Array, index: number) => void): Subscription;
  /** Opens the stream anew, over a connection with the present credentials. */
  restart(): void;
  close(): void;
}

interface Listener {
  readonly onJson: (json: Uint8Array, index: number) => void;
}

interface Subscribed {
  readonly topic: Topic;
  readonly listeners: Set<Listener>;
  last: { readonly json: Uint8Array; readonly index: number } | undefined;
}

export function createTopicStream(options: {
  readonly connections: ServerConnections;
  readonly runtime: Runtime;
}): TopicStream {
  const { clock, logger, random } = options.runtime;
  const topics = new Map<string, Subscribed>();
  const stopping = new AbortController();
  const backoff = createBackoff({ minDelayMs: 100, maxDelayMs: 10_000, random });
  let stream: Stream | undefined;
  let isOpening = false;
  let retry: Timer | undefined;

  const open = async (): Promise<void> => {
    if (isOpening || stream !== undefined || stopping.signal.aborted || topics.size === 0) return;
    isOpening = true;
    retry?.cancel();
    try {
      const connection = await options.connections.connect(stopping.signal);
      isOpening = false;
      if (!stopping.signal.aborted) start(connection);
    } catch (thrown) {
      isOpening = false;
      retryLater(errorMessage(thrown));
    }
  };

  const start = (connection: ServerConnection): void => {
    const { path, requestSerialize, responseDeserialize } = rpcMethods.Subscribe;
    const opened: Stream = connection.client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      new Metadata(),
    );
    stream = opened;
    let hasEnded = false;
    const end = (reason: string): void => {
      if (hasEnded) return;
      hasEnded = true;
      if (stream !== opened) return;
      stream = undefined;
      options.connections.giveUp(connection);
      retryLater(reason);
    };
    opened.on("data", (update: TopicUpdate) => {
      if (stream === opened) receive(update);
    });
    opened.on("error", (error) => end(error.message));
    opened.on("end", () => end("the server ended the stream"));
    for (const { topic } of topics.values()) opened.write({ add: toWireTopic(topic) });
  };

  const receive = (update: TopicUpdate): void => {
    // Only a server that works is a reason to come back quickly.
    backoff.reset();
    const subscribed = topics.get(update.topic === null ? "" : wireKey(update.topic));
    if (subscribed === undefined) return;
    subscribed.last = { json: update.json, index: update.index };
    for (const listener of [...subscribed.listeners]) listener.onJson(update.json, update.index);
  };

  const retryLater = (reason: string): void => {
    if (stopping.signal.aborted) return;
    const delayMs = backoff.nextDelayMs();
    logger.warn("the subscription stream is down", { reason, retryInMs: Math.round(delayMs) });
    retry?.cancel();
    retry = clock.after(delayMs, () => void open());
  };

  const remove = (key: string, listener: Listener): void => {
    const subscribed = topics.get(key);
    subscribed?.listeners.delete(listener);
    if (subscribed === undefined || subscribed.listeners.size > 0) return;
    topics.delete(key);
    stream?.write({ remove: toWireTopic(subscribed.topic) });
  };

  return {
    subscribe(topic, onJson) {
      const key = topicKey(topic);
      const listener = { onJson };
      const existing = topics.get(key);
      if (existing === undefined) {
        topics.set(key, { topic, listeners: new Set([listener]), last: undefined });
        stream?.write({ add: toWireTopic(topic) });
        void open();
      } else {
        existing.listeners.add(listener);
        const { last } = existing;
        if (last !== undefined) {
          // Never from inside this call: the caller has not got its subscription yet.
          queueMicrotask(() => {
            if (existing.listeners.has(listener) && existing.last === last) onJson(last.json, last.index);
          });
        }
      }
      return { close: () => remove(key, listener) };
    },
    restart() {
      const old = stream;
      stream = undefined;
      old?.cancel();
      void open();
    },
    close() {
      stopping.abort();
      retry?.cancel();
      const old = stream;
      stream = undefined;
      old?.cancel();
      topics.clear();
    },
  };
}

function wireKey(topic: { readonly kind: string; readonly name: string }): string {
  return topic.name === "" ? topic.kind : `${topic.kind}/${topic.name}`;
}
