import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Command } from "../../../lib/contract/commands.ts";
import type { Coordinate } from "../../../lib/contract/coordinates.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { logIndex } from "../../../lib/contract/ids.ts";
import { originCoordinate } from "../../../lib/contract/vivaldi.ts";
import { createCoordinateWriter, type CoordinateWriter } from "../../../server/leases/coordinate-writer.ts";
import { createState, type State } from "../../../server/state/state.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock, type VirtualClock } from "../../fakes/virtual-clock.ts";
import { nodeFields, registerCommand } from "../state/records.ts";
import { idOf, member } from "./lease-fakes.ts";

let clock: VirtualClock;
let state: State;
let writer: CoordinateWriter;
let isLeader: boolean;
let isLost: boolean;
let others: string[];
let written: (readonly string[])[];
let index: number;

beforeEach(() => {
  clock = createVirtualClock(1_000);
  state = createState();
  isLeader = true;
  isLost = false;
  others = [];
  written = [];
  index = 0;
  writer = createCoordinateWriter({
    log: {
      async propose(command) {
        if (isLost) throw new AtollError("UNAVAILABLE", "no majority");
        if (command.type === "coordinates-update") written.push(command.coordinates.map(({ Node }) => Node));
        return { index: logIndex(apply(command)), result: { ok: true, applied: true } };
      },
      leadership: () => ({ isLeader, leaderAddress: "", peers: [], lastContactMs: 0 }),
    },
    reader: state.reader,
    otherServers: () => others,
    rateTarget: 0.6,
    runtime: createTestRuntime({ clock }),
  });
});
afterEach(() => writer.close());

function apply(command: Command): number {
  state.apply(++index, command);
  state.notify();
  return index;
}

function live(...names: string[]): void {
  for (const name of names) {
    apply(registerCommand(name, { node: nodeFields(name, { ID: idOf(name) }) }));
    apply({ type: "members", atMs: 0, changes: [{ kind: "alive", member: member(name) }] });
  }
}

const at = (x: number): Coordinate => ({ ...originCoordinate, Vec: [x, 0, 0, 0, 0, 0, 0, 0] });
const placed = (x: number, ...names: string[]) => names.map((name) => ({ id: idOf(name), coordinate: at(x) }));
const placeOf = (node: string) => state.reader.nodeCoordinates(node).value[0]?.Coord.Vec[0];

test("what comes within a second of a quiet time is one command, and of one node the last word counts", async () => {
  live("a", "b");
  expect(writer.take("s1", placed(0.1, "a"))).toBe(true);
  expect(writer.take("s1", placed(0.2, "b", "a"))).toBe(true);
  await clock.advance(1_000);
  expect(written).toEqual([["a", "b"]]);
  expect([placeOf("a"), placeOf("b")]).toEqual([0.2, 0.2]);
  await clock.advance(10_000);
  expect(written.length).toBe(1);
  expect(clock.pendingTimers()).toBe(0);
});

test("commands are five seconds apart, and more than the rate allows wait for the next", async () => {
  live("a", "b", "c", "d", "e");
  writer.take("s1", placed(0.1, "a", "b", "c", "d"));
  await clock.advance(1_000);
  expect(written).toEqual([["a", "b", "c"]]);
  await clock.advance(2_000);
  writer.take("s1", placed(0.1, "e"));
  await clock.advance(2_990);
  expect(written.length).toBe(1);
  await clock.advance(10);
  expect(written).toEqual([
    ["a", "b", "c"],
    ["d", "e"],
  ]);
});

test("a place that the catalog has already is not written, nor one of an agent that nobody knows", async () => {
  live("a");
  writer.take("s1", placed(0.1, "a"));
  await clock.advance(1_000);
  writer.take("s1", placed(0.100_01, "a", "nobody"));
  await clock.advance(5_000);
  expect(written.length).toBe(1);
});

test("the place of an agent waits until its node is in the catalog", async () => {
  apply({ type: "members", atMs: 0, changes: [{ kind: "alive", member: member("a") }] });
  writer.take("s1", placed(0.1, "a"));
  await clock.advance(3_000);
  expect(written).toEqual([]);
  live("a");
  await clock.advance(1_000);
  expect(written).toEqual([["a"]]);
});

test("nothing is taken until every server has said that it knows the command, or another leader has found so", () => {
  others = ["s2", "s3"];
  expect(writer.take("s1", [])).toBe(false);
  expect(writer.take("s2", [])).toBe(false);
  expect(writer.take("s3", undefined)).toBe(false);
  expect(writer.take("s2", [])).toBe(false);
  writer.allKnow();
  expect(writer.take("s2", [])).toBe(true);
});

test("a server that has said so counts from then on", () => {
  others = ["s2"];
  expect(writer.take("s1", [])).toBe(false);
  expect(writer.take("s2", [])).toBe(true);
  expect(writer.take("s1", [])).toBe(true);
});

test("who leads no more writes nothing, and what could not be written is let go", async () => {
  live("a");
  writer.take("s1", placed(0.1, "a"));
  isLeader = false;
  await clock.advance(1_000);
  isLeader = true;
  await clock.advance(5_000);
  expect(written).toEqual([]);
  writer.take("s1", placed(0.1, "a"));
  isLost = true;
  await clock.advance(1_000);
  isLost = false;
  await clock.advance(5_000);
  expect(written).toEqual([]);
  expect(clock.pendingTimers()).toBe(0);
});
