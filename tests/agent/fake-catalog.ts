import type { ServerLink } from "../../lib/client/server-link.ts";
import type { Command } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { createState, type State } from "../../server/state/state.ts";

/** A link to the real state tables without a log or a network, which can be away and refuse. */
export interface FakeCatalog {
  readonly link: ServerLink;
  readonly state: State;
  /** Every write that was asked for, refused and lost ones included. */
  readonly writes: Command[];
  /** What the next calls meet; `lost`: the write is applied and its answer does not arrive. */
  mode: "up" | "down" | "lost";
  /** Writes for which this returns a message are refused for good. */
  refuse: (command: Command) => string | undefined;
}

const firstIndex = 9;

function withdrawnFrom(state: State, node: string) {
  const idsOf = (kind: string) =>
    state.reader
      .withdrawals(node)
      .filter(({ Kind }) => Kind === kind)
      .map(({ ID }) => ID);
  return { services: idsOf("service"), checks: idsOf("check") };
}

export function createFakeCatalog(): FakeCatalog {
  const state = createState();
  const writes: Command[] = [];
  const unused = (): never => {
    throw new Error("not a part of this fake");
  };
  const catalog: FakeCatalog = {
    state,
    writes,
    mode: "up",
    refuse: () => undefined,
    link: {
      async write(command) {
        writes.push(command);
        if (catalog.mode === "down") throw new AtollError("UNAVAILABLE", "no server answers");
        const refusal = catalog.refuse(command);
        if (refusal !== undefined) throw new AtollError("INVALID_ARGUMENT", refusal);
        // The first entries of a real log are the cluster's own; 1 is also the index of what was never written.
        const index = Math.max(state.reader.appliedIndex(), firstIndex) + 1;
        const { result } = state.apply(index, command);
        if (catalog.mode === "lost") throw new AtollError("UNKNOWN_OUTCOME", "the answer did not arrive");
        if (!result.ok) throw new AtollError(result.code, result.message);
        return { index };
      },
      async nodeRegistrations(name) {
        if (catalog.mode !== "up") throw new AtollError("UNAVAILABLE", "no server answers");
        const node = state.reader.node(name);
        return {
          nodeIndex: node.index,
          ...(node.value !== undefined && { node: node.value }),
          services: state.reader.nodeServices(name).value,
          checks: state.reader.nodeChecks(name).value,
          withdrawn: withdrawnFrom(state, name),
        };
      },
      sign: unused,
      forward: unused,
      subscribe: unused,
      holdLease: () => ({ close: () => undefined }),
      addServer: unused,
      status: () => ({ address: "127.0.0.1:8300", isConnected: catalog.mode === "up" }),
      async close() {},
    },
  };
  return catalog;
}
