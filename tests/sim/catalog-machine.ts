import type { Command, CommandResult } from "../../lib/contract/commands.ts";
import { createState, type State } from "../../server/state/state.ts";
import { hashRows, type MachineKind, type RegisterMachine } from "./machine.ts";

/**
 * The real catalog as a register per key: a node of that name whose metadata hold the value. Writing registers the node,
 * emptying deregisters it.
 */
export const catalog: MachineKind = {
  name: "catalog",
  create: createCatalog,
  write(opId, key, value) {
    const command: Command =
      value === null
        ? { type: "deregister", node: key }
        : {
            type: "register",
            node: {
              ID: "",
              Node: key,
              Address: "10.0.0.1",
              Datacenter: "dc1",
              TaggedAddresses: {},
              Meta: { value },
            },
            skipNodeUpdate: false,
            checks: [],
          };
    return JSON.stringify({ ...command, opId });
  },
  isApplied: isDone,
};

/** Emptying what is empty is done too: the catalog answers NOT_FOUND or succeeds, and the register is empty afterwards. */
function isDone(result: unknown): boolean {
  return typeof result === "object" && result !== null && "ok" in result;
}

function createCatalog(): RegisterMachine {
  let state: State = createState();
  return {
    read: (key) => state.reader.node(key).value?.Meta["value"] ?? null,
    apply(index, data): { result: CommandResult; rows: ReturnType<State["apply"]>["rows"] } {
      const parsed: unknown = JSON.parse(data);
      if (!isCommand(parsed)) throw new TypeError(`no command of the catalog: ${data}`);
      return state.apply(index, parsed);
    },
    restore(appliedIndex, rows) {
      state = createState();
      state.restore(appliedIndex, rows);
    },
    notify: () => state.notify(),
    hash: () => hashRows(state.dump()),
  };
}

/** The decoder of what `catalog.write` encoded, and nobody else. */
function isCommand(value: unknown): value is Command {
  return typeof value === "object" && value !== null && "type" in value;
}
