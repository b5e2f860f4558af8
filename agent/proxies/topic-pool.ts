import type { Subscription } from "../../lib/client/server-link.ts";

/**
 * One kind of topic, shared by everyone on this agent who needs it: the first user of a name opens the subscription, the
 * last one closes it, and a newcomer finds the newest value at once.
 */
export interface TopicPool<V> {
  /** `onChange` is called after each new value; the value that is there already is not announced. */
  use(name: string, onChange: () => void): TopicUse<V>;
}

export interface TopicUse<V> {
  /** Undefined until the servers have sent it. */
  value(): V | undefined;
  close(): void;
}

interface Shared<V> {
  readonly users: Set<() => void>;
  value: V | undefined;
  subscription: Subscription | undefined;
}

export function createTopicPool<V>(
  subscribe: (name: string, onValue: (value: V) => void) => Subscription,
): TopicPool<V> {
  const byName = new Map<string, Shared<V>>();
  const open = (name: string): Shared<V> => {
    const shared: Shared<V> = { users: new Set(), value: undefined, subscription: undefined };
    byName.set(name, shared);
    shared.subscription = subscribe(name, (value) => {
      shared.value = value;
      for (const user of [...shared.users]) user();
    });
    return shared;
  };
  return {
    use(name, onChange) {
      const shared = byName.get(name) ?? open(name);
      // Two uses may come with the same function; each is a user of its own.
      const user = (): void => onChange();
      shared.users.add(user);
      return {
        value: () => shared.value,
        close() {
          if (!shared.users.delete(user) || shared.users.size > 0) return;
          byName.delete(name);
          shared.subscription?.close();
        },
      };
    },
  };
}
