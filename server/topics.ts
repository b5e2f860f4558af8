import { isDeepStrictEqual } from "node:util";
import type { Subscription } from "../lib/client/server-link.ts";
import type { IntentionsValue, Topic, TopicOf, TopicValues } from "../lib/contract/topics.ts";
import type { Read, RequiredTokens, StateReader } from "./state/reader.ts";
import type { WatchHub } from "./state/watch-hub.ts";

/**
 * Topics as reads of the state that are pushed: the value at once, and again after every commit that touched it. Both
 * the link inside the process and the RPC service subscribe here.
 */
export interface TopicSource {
  /** The topic's value as it is now. */
  read<K extends Topic["kind"]>(topic: TopicOf<K>): Read<TopicValues[K]>;
  /**
   * Calls back with the current value (never before this call has returned) and after each change, in order, until
   * closed. Throws `RATE_LIMITED` when too many watch already.
   */
  subscribe<K extends Topic["kind"]>(
    topic: TopicOf<K>,
    onValue: (value: TopicValues[K], index: number) => void,
  ): Subscription;
  /** The same as JSON text, which is made once per change however many subscribe. */
  subscribeJson(topic: Topic, onJson: (json: string, index: number) => void): Subscription;
}

type TopicQueries = {
  readonly [K in Topic["kind"]]: (topic: Extract<Topic, { readonly kind: K }>) => Read<TopicValues[K]>;
};

export function createTopicSource(options: { readonly reader: StateReader; readonly watches: WatchHub }): TopicSource {
  const { reader, watches } = options;
  const queries = createTopicQueries(reader);
  const jsonOf = createJsonCache();

  const read = <K extends Topic["kind"]>(topic: TopicOf<K>): Read<TopicValues[K]> => {
    const kind: K = topic.kind;
    return queries[kind](topic);
  };
  const subscribe = <K extends Topic["kind"]>(
    topic: TopicOf<K>,
    onValue: (value: TopicValues[K], index: number) => void,
  ): Subscription => {
    let deliveredIndex = 0;
    let isClosed = false;
    const deliver = (): void => {
      if (isClosed) return;
      const current = read(topic);
      // What a value depends on changes with it: the providers that an intention names, the services of a chain.
      if (!isDeepStrictEqual(current.watch, watchedKeys)) {
        watch.cancel();
        watchedKeys = current.watch;
        watch = watches.watch(watchedKeys, deliver);
      }
      if (current.index <= deliveredIndex) return;
      deliveredIndex = current.index;
      onValue(current.value, current.index);
    };
    let watchedKeys = read(topic).watch;
    let watch = watches.watch(watchedKeys, deliver);
    queueMicrotask(deliver);
    return {
      close() {
        isClosed = true;
        watch.cancel();
      },
    };
  };

  return {
    read,
    subscribe,
    subscribeJson: (topic, onJson) => subscribe(topic, (value, index) => onJson(jsonOf(value), index)),
  };
}

function createTopicQueries(reader: StateReader): TopicQueries {
  const intentionValues = new WeakMap<object, { readonly tokens: RequiredTokens; readonly value: IntentionsValue }>();
  return {
    "connect-endpoints": (topic) => reader.connectInstances(topic.service),
    intentions(topic) {
      const rules = reader.intentions({ by: "destination", name: topic.destination });
      const tokens = reader.requiredTokens(topic.destination);
      const known = intentionValues.get(rules.value);
      const value =
        known?.tokens === tokens.value
          ? known.value
          : { rules: rules.value, ...reader.defaultIntention(), ...tokens.value };
      if (known?.value !== value) intentionValues.set(rules.value, { tokens: tokens.value, value });
      return { index: Math.max(rules.index, tokens.index), value, watch: [...rules.watch, ...tokens.watch] };
    },
    "service-config": (topic) => reader.serviceConfig(topic.service),
    "ca-roots": () => reader.caRoots(),
  };
}

/** The reader returns the same object until the value changes, so the text can be kept with the object. */
function createJsonCache(): (value: object) => string {
  const texts = new WeakMap<object, string>();
  return (value) => {
    const known = texts.get(value);
    if (known !== undefined) return known;
    const json = JSON.stringify(value);
    texts.set(value, json);
    return json;
  };
}
