import { defaultAuthorityConfig } from "../../../lib/contract/authority-config.ts";
import type { ServerLink, SignedLeaf } from "../../../lib/client/server-link.ts";
import type { CaRootFields } from "../../../lib/contract/commands.ts";
import type { CaRootsValue, Topic, TopicValues } from "../../../lib/contract/topics.ts";
import { type Authority, createAuthority } from "../../../server/ca/authority.ts";
import { createRoot } from "../../../server/ca/root.ts";
import { createTestRuntime, type TestRuntime } from "../../fakes/test-runtime.ts";

/** Servers with a real authority behind a link without a network, whose signing can be made to fail. */
export interface FakeServers {
  readonly link: Pick<ServerLink, "sign" | "subscribe">;
  readonly signed: SignedLeaf[];
  authority(): Authority;
  failWith(error: Error | undefined): void;
  /** Replaces the root, as a rotation does, and tells the subscribers. */
  rotate(): void;
}

export function createFakeServers(options: { readonly runtime: TestRuntime; readonly leafTtlMs: number }): FakeServers {
  const listeners = new Set<(value: CaRootsValue, index: number) => void>();
  const signed: SignedLeaf[] = [];
  let index = 0;
  let failure: Error | undefined;
  let current = install(1);

  function install(seed: number): { readonly authority: Authority; readonly roots: CaRootsValue } {
    index += 10;
    const root = createRoot({ ...createTestRuntime({ seed }), clock: options.runtime.clock });
    const { runtime, leafTtlMs } = options;
    const config = () => ({ ...defaultAuthorityConfig, leafTtlMs });
    const known = [root];
    const authority = createAuthority({
      runtime,
      config,
      roots: () => known,
      datacenter: "dc1",
      currentIndex: () => index,
    });
    return { authority, roots: rootsValue(root, index) };
  }

  const subscribe = <K extends Topic["kind"]>(
    topic: Extract<Topic, { kind: K }>,
    onValue: (value: TopicValues[K], index: number) => void,
  ) => {
    if (topic.kind !== "ca-roots") throw new Error(`nobody should ask for ${topic.kind}`);
    // The kind was just checked, which TypeScript does not carry over to K.
    const listener = onValue as (value: CaRootsValue, index: number) => void;
    listeners.add(listener);
    queueMicrotask(() => listener(current.roots, index));
    return { close: () => void listeners.delete(listener) };
  };

  return {
    signed,
    authority: () => current.authority,
    link: {
      subscribe,
      async sign(csrPem) {
        if (failure !== undefined) throw failure;
        const leaf = current.authority.sign(csrPem);
        signed.push(leaf);
        return leaf;
      },
    },
    failWith(error) {
      failure = error;
    },
    rotate() {
      current = install(index);
      for (const listener of listeners) listener(current.roots, index);
    },
  };
}

function rootsValue(root: CaRootFields, index: number): CaRootsValue {
  const { clusterId: _, privateKeyPem: __, trustDomain, ...fields } = root;
  return {
    activeRootId: root.id,
    trustDomain,
    roots: [{ ...fields, active: true, createIndex: index, modifyIndex: index }],
  };
}
