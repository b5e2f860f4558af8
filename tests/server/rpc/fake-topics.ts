import type { Subscription } from "../../../lib/client/server-link.ts";
import { type Topic, type TopicOf, type TopicValues, topicKey } from "../../../lib/contract/topics.ts";

/** Topics whose values a test sets. */
export interface FakeTopics {
  publish<K extends Topic["kind"]>(topic: TopicOf<K>, value: TopicValues[K], index: number): void;
  subscribe<K extends Topic["kind"]>(
    topic: TopicOf<K>,
    onValue: (value: TopicValues[K], index: number) => void,
  ): Subscription;
  subscriberCount(): number;
}

export function createFakeTopics(): FakeTopics {
  const current = new Map<string, { readonly value: unknown; readonly index: number }>();
  const listeners = new Map<(value: never, index: number) => void, string>();
  const tell = (key: string): void => {
    const found = current.get(key);
    if (found === undefined) return;
    for (const [listener, of] of listeners) {
      // Key and value were stored together by `publish`, which has checked that they fit.
      if (of === key) listener(found.value as never, found.index);
    }
  };
  return {
    publish(topic, value, index) {
      current.set(topicKey(topic), { value, index });
      tell(topicKey(topic));
    },
    subscribe(topic, onValue) {
      const key = topicKey(topic);
      const listener: typeof onValue = (value, index) => onValue(value, index);
      listeners.set(listener, key);
      queueMicrotask(() => {
        const found = current.get(key);
        if (found !== undefined && listeners.has(listener)) listener(found.value as never, found.index);
      });
      return { close: () => void listeners.delete(listener) };
    },
    subscriberCount: () => listeners.size,
  };
}
