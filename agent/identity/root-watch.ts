/** The cluster's roots of trust as the agent knows them: subscribed once, read by everybody on the host. */
import type { Runtime } from "../../lib/base/runtime.ts";
import type { ServerLink, Subscription } from "../../lib/client/server-link.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { CaRootsValue } from "../../lib/contract/topics.ts";
import type { AgentWait, Indexed } from "../agent-api.ts";
import { createObserved } from "./observed.ts";

/** How long a caller waits for the very first value, which needs a server. */
export const firstRootsWaitMs = 10_000;

export interface RootWatch {
  /** The newest roots; undefined until a server has sent some. */
  current(): Indexed<CaRootsValue> | undefined;
  /** The certificates of the roots that sign at present; none before the first value. */
  activePems(): readonly string[];
  /** A blocking read. Rejects with `UNAVAILABLE` when no server has sent any roots yet. */
  read(wait: AgentWait): Promise<Indexed<CaRootsValue>>;
  onChange(listener: (roots: CaRootsValue, index: number) => void): Subscription;
  close(): void;
}

export function createRootWatch(options: {
  readonly link: Pick<ServerLink, "subscribe">;
  readonly runtime: Runtime;
}): RootWatch {
  const roots = createObserved<CaRootsValue>(options.runtime.clock);
  const subscription = options.link.subscribe({ kind: "ca-roots" }, (value, index) => {
    // A server that is still bootstrapping has none; a reconnect sends again what is known.
    if (value.activeRootId === "" || JSON.stringify(value) === JSON.stringify(roots.current()?.value)) return;
    roots.set(value, index);
  });
  return {
    current: roots.current,
    activePems: () => (roots.current()?.value.roots ?? []).filter((root) => root.active).map((root) => root.certPem),
    async read(wait) {
      const minIndex = roots.current() === undefined ? 0 : wait.minIndex;
      const waitMs = roots.current() === undefined ? firstRootsWaitMs : wait.waitMs;
      await roots.waitPast({ minIndex, waitMs, signal: wait.signal });
      const current = roots.current();
      if (current === undefined) {
        throw new AtollError(
          "UNAVAILABLE",
          "no server has sent the roots of the certificate authority yet: see agent log",
        );
      }
      return current;
    },
    onChange: roots.onChange,
    close: () => subscription.close(),
  };
}
