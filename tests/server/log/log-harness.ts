import type { RegisterCommand } from "../../../lib/contract/commands.ts";
import type { AtollError } from "../../../lib/contract/error-codes.ts";
import type { DurableStore } from "../../../server/log/durable-store.ts";
import { openSingleServerLog, type SingleServerLog } from "../../../server/log/single-server-log.ts";
import { createState, type State } from "../../../server/state/state.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock, type VirtualClock } from "../../fakes/virtual-clock.ts";
import { registerCommand, serviceFields } from "../state/records.ts";

export interface LogHarness {
  readonly log: SingleServerLog;
  readonly state: State;
  readonly clock: VirtualClock;
  readonly fatal: AtollError[];
}

/** Opens a log with a fresh state on a store. */
export async function openLog(
  store: DurableStore,
  options: { readonly datacenter?: string; readonly clusterId?: string } = {},
): Promise<LogHarness> {
  const state = createState();
  const clock = createVirtualClock(1_800_000_000_000);
  const fatal: AtollError[] = [];
  const log = await openSingleServerLog({
    store,
    directory: "/the/data",
    machine: state,
    expected: { datacenter: "dc1", ...options },
    runtime: createTestRuntime({ clock }),
    onFatal: (error) => fatal.push(error),
  });
  return { log, state, clock, fatal };
}

/** The i-th of a series of writes that all differ: instance `i % 10` of a service on one of three nodes. */
export function numberedCommand(i: number): RegisterCommand {
  const service = serviceFields(`s${i % 5}`, { ID: `id-${i % 10}`, Port: 1 + (i % 60_000), Tags: [`t${i % 7}`] });
  return registerCommand(`n${i % 3}`, { service });
}

/** Everything a state holds, to compare two of them. */
export function contents(state: State): unknown[] {
  return [state.reader.appliedIndex(), ...state.dump()];
}
