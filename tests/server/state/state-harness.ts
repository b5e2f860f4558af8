import type { VirtualIpRecord } from "../../../lib/contract/virtual-address.ts";
import type { Command, CommandResult } from "../../../lib/contract/commands.ts";
import type { Read, StateReader } from "../../../server/state/reader.ts";
import type { RowChange } from "../../../server/state/row-change.ts";
import { createState, type State } from "../../../server/state/state.ts";

/** A state with a log of its own: each command gets the next index, from 2 as on a server. */
export interface StateHarness {
  readonly state: State;
  readonly reader: StateReader;
  /** Applies a command that must be accepted and wakes its watchers; returns its index. */
  accept(command: Command): number;
  /** Applies a command and returns what came of it. */
  apply(command: Command): CommandResult;
  /** The rows that a store would hold by now. */
  storedRows(): RowChange[];
}

export function createStateHarness(state: State = createState()): StateHarness {
  let index = 1;
  const rows = new Map<string, RowChange>();
  const apply = (command: Command): CommandResult => {
    index++;
    const applied = state.apply(index, structuredClone(command));
    for (const row of applied.rows) {
      if (row.value === undefined) rows.delete(`${row.table}/${row.key}`);
      else rows.set(`${row.table}/${row.key}`, row);
    }
    state.notify();
    return applied.result;
  };
  return {
    state,
    reader: state.reader,
    apply,
    accept(command) {
      const result = apply(command);
      if (!result.ok) throw new Error(`the command was refused: ${result.message}`);
      return index;
    },
    storedRows: () => JSON.parse(JSON.stringify([...rows.values()])),
  };
}

/** One read of each kind, by a name to print. */
export function readsOf(names: readonly string[], nodes: readonly string[]): Map<string, Query> {
  const queries = new Map<string, Query>([
    ["nodes", (reader) => reader.nodes()],
    ["services", (reader) => reader.services()],
    ["services with node meta", (reader) => reader.services({ zone: "a" })],
    ["all intentions", (reader) => reader.intentions({ by: "all" })],
    ["proxy-defaults", (reader) => reader.configEntry("proxy-defaults", "global")],
    ["ca roots", (reader) => reader.caRoots()],
  ]);
  for (const status of ["any", "passing", "warning", "critical"] as const) {
    queries.set(`checks ${status}`, (reader) => reader.checksInState(status));
  }
  for (const kind of ["mesh", "proxy-defaults", "service-defaults", "service-intentions"] as const) {
    queries.set(`entries ${kind}`, (reader) => reader.configEntries(kind));
  }
  for (const node of nodes) {
    queries.set(`node ${node}`, (reader) => reader.node(node));
    queries.set(`services on ${node}`, (reader) => reader.nodeServices(node));
    queries.set(`checks on ${node}`, (reader) => reader.nodeChecks(node));
  }
  for (const name of names) {
    queries.set(`instances of ${name}`, (reader) => reader.serviceInstances(name));
    queries.set(`connect to ${name}`, (reader) => reader.connectInstances(name));
    queries.set(`virtual IPs of ${name}`, (reader) => withoutTimes(reader.virtualIp(name)));
    queries.set(`checks of ${name}`, (reader) => reader.serviceChecks(name));
    queries.set(`config of ${name}`, (reader) => reader.serviceConfig(name));
    queries.set(`service-defaults ${name}`, (reader) => reader.configEntry("service-defaults", name));
    queries.set(`service-intentions ${name}`, (reader) => reader.configEntry("service-intentions", name));
    queries.set(`intentions to ${name}`, (reader) => reader.intentions({ by: "destination", name }));
    queries.set(`intentions from ${name}`, (reader) => reader.intentions({ by: "source", name }));
  }
  return queries;
}

/** When it was given and since when nobody uses it is not the oracle's business. */
function withoutTimes(read: Read<VirtualIpRecord | undefined>): Read<unknown> {
  const { Offset, ManualIPs } = read.value ?? {};
  return { ...read, value: read.value && { Offset, ManualIPs } };
}

export type Query = (reader: StateReader) => Read<unknown>;
