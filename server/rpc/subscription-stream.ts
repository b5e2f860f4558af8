/**
 * One agent's subscriptions: topics come and go on the stream, values go out. A slow agent makes nothing pile up: per
 * topic only the newest value waits, and nothing is written while the stream's buffer is full.
 */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { Logger } from "../../lib/base/logger.ts";
import type { SubscribeRequest, TopicUpdate } from "../../lib/client/rpc-methods.ts";
import { toRpcStatus } from "../../lib/client/rpc-errors.ts";
import type { ServerLink, Subscription } from "../../lib/client/server-link.ts";
import { fromWireTopic, toWireTopic } from "../../lib/client/wire-topic.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { type Topic, topicKey } from "../../lib/contract/topics.ts";

/** More than a host's proxies can have upstreams: 250 proxies with 40 each. */
const maxTopics = 10_000;

export type AgentStream = ServerDuplexStream<SubscribeRequest, TopicUpdate>;

export interface SubscriptionStreamOptions {
  readonly stream: AgentStream;
  readonly link: Pick<ServerLink, "subscribe">;
  readonly encode: (value: object) => Uint8Array;
  readonly node: string;
  readonly logger: Logger;
  readonly onClose: () => void;
}

/** Serves the stream until either side ends it. The value returned ends it from here, with an error for the agent. */
export function serveSubscriptions(options: SubscriptionStreamOptions): { end(error: AtollError): void } {
  const { stream } = options;
  const subscriptions = new Map<string, Subscription>();
  const waiting = new Map<string, { readonly topic: Topic; readonly value: object; readonly index: number }>();
  let isBlocked = false;
  let isClosed = false;

  const flush = (): void => {
    for (const [key, { topic, value, index }] of waiting) {
      if (isBlocked || isClosed) return;
      waiting.delete(key);
      isBlocked = !stream.write({ topic: toWireTopic(topic), index, json: options.encode(value) });
    }
  };

  const push = (topic: Topic, value: object, index: number): void => {
    if (isClosed) return;
    waiting.set(topicKey(topic), { topic, value, index });
    flush();
  };

  const add = (topic: Topic): void => {
    const key = topicKey(topic);
    if (subscriptions.has(key)) return;
    if (subscriptions.size >= maxTopics) {
      end(new AtollError("TOO_LARGE", `a stream carries at most ${maxTopics} topics`));
      return;
    }
    try {
      subscriptions.set(
        key,
        options.link.subscribe(topic, (value, index) => push(topic, value, index)),
      );
    } catch (thrown) {
      if (!(thrown instanceof AtollError)) throw thrown;
      end(thrown);
    }
  };

  const remove = (topic: Topic): void => {
    const key = topicKey(topic);
    subscriptions.get(key)?.close();
    subscriptions.delete(key);
    waiting.delete(key);
  };

  const receive = (request: SubscribeRequest): void => {
    const wire = request.add ?? request.remove;
    const topic = wire === undefined || wire === null ? undefined : fromWireTopic(wire);
    if (topic === undefined) {
      // A newer agent may know more topics than this server: it goes without them until the server is upgraded.
      options.logger.warn("an agent asked for an unknown topic", { node: options.node, kind: wire?.kind });
    } else if (request.add === undefined || request.add === null) {
      remove(topic);
    } else {
      add(topic);
    }
  };

  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    for (const subscription of subscriptions.values()) subscription.close();
    subscriptions.clear();
    waiting.clear();
    options.onClose();
  };

  const end = (error: AtollError): void => {
    if (isClosed) return;
    close();
    // The way of grpc-js to end a stream with a status.
    stream.emit("error", toRpcStatus(error));
  };

  stream.on("data", receive);
  stream.on("drain", () => {
    isBlocked = false;
    flush();
  });
  stream.on("cancelled", close);
  stream.on("close", close);
  stream.on("end", () => {
    close();
    stream.end();
  });
  return { end };
}
