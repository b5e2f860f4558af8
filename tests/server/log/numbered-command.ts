import type { RegisterCommand } from "../../../lib/contract/commands.ts";
import type { State } from "../../../server/state/state.ts";
import { registerCommand, serviceFields } from "../state/records.ts";

/** The i-th of a series of writes that all differ: instance `i % 10` of a service on one of three nodes. */
export function numberedCommand(i: number): RegisterCommand {
  const service = serviceFields(`s${i % 5}`, { ID: `id-${i % 10}`, Port: 1 + (i % 60_000), Tags: [`t${i % 7}`] });
  return registerCommand(`n${i % 3}`, { service });
}

/** Everything a state holds, to compare two of them. */
export function contents(state: State): unknown[] {
  return [state.reader.appliedIndex(), ...state.dump()];
}
