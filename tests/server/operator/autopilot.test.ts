import { expect, test } from "bun:test";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { startAutopilot } from "../../../server/autopilot/autopilot.ts";
import { createState } from "../../../server/state/state.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { createFakeOperator, member, raftStatus } from "./fake-operator.ts";

function start() {
  const clock = createVirtualClock(1_000_000);
  const state = createState();
  const operator = createFakeOperator(state);
  const runtime = createTestRuntime({ clock });
  return { clock, operator, runtime, autopilot: startAutopilot({ operator, reader: state.reader, runtime }) };
}

const gone = { match: 100, isRecentlyActive: false };

test("the leader takes out a server that stays away, once the time is over, and says so", async () => {
  const { clock, operator, runtime, autopilot } = start();
  const three = [member("a", { isLeader: true }), member("b", { match: 100 }), member("c", { match: 100 })];
  operator.setMembers(three);
  await clock.advance(5_000);
  operator.setMembers([...three.slice(0, 2), member("c", { progress: gone })]);
  await clock.advance(599_000);
  expect(operator.calls).toEqual([]);
  await clock.advance(4_000);
  expect(operator.calls[0]).toBe("remove c");
  expect(runtime.lines.some((line) => line.includes("it can only come back under a new id"))).toBe(true);
  autopilot.close();
  expect(clock.pendingTimers()).toBe(0);
});

test("a step that the engine refuses is tried again at the next look", async () => {
  const { clock, operator, runtime, autopilot } = start();
  operator.setMembers([member("a", { isLeader: true }), member("b", { isVoter: false, match: 100 })]);
  operator.failNext(new AtollError("CONFLICT", "b lags"));
  await clock.advance(1_000);
  expect(operator.calls).toEqual([]);
  expect(runtime.lines.some((line) => line.includes("b lags"))).toBe(true);
  await clock.advance(1_000);
  expect(operator.calls).toEqual(["promote b"]);
  autopilot.close();
});

test("a follower does nothing, and a new leader begins to watch anew", async () => {
  const { clock, operator, autopilot } = start();
  operator.setStatus(raftStatus({ role: "follower" }));
  operator.setMembers([member("a"), member("b", { match: 100 }), member("c", { progress: gone })]);
  await clock.advance(3_600_000);
  operator.setStatus(raftStatus());
  operator.setMembers([member("a", { isLeader: true }), member("b", { match: 100 }), member("c", { progress: gone })]);
  await clock.advance(590_000);
  expect(operator.calls).toEqual([]);
  autopilot.close();
});
