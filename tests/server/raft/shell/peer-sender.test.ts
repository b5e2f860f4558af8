import { expect, test } from "bun:test";
import type { Message } from "../../../../server/raft/core/types.ts";
import { createPeerSender, maxQueuedMessages } from "../../../../server/raft/shell/peer-sender.ts";
import type { MessageGroup, PeerStream } from "../../../../server/raft/shell/peer-wire.ts";
import { createTestRuntime } from "../../../fakes/test-runtime.ts";
import { createVirtualClock, settle } from "../../../fakes/virtual-clock.ts";

const base = { from: "n1", to: "n2", term: 1 };
const heartbeat: Message = { ...base, type: "heartbeat", commit: 0, round: 1 };
const append = (prevIndex: number): Message => ({
  ...base,
  type: "append",
  prevIndex,
  prevTerm: 1,
  commit: 0,
  entries: [{ index: prevIndex + 1, term: 1, kind: "command", data: "x".repeat(300_000) }],
});

/** A sender over a network that takes a group when the test says so. */
function createHarness() {
  const clock = createVirtualClock(1_800_000_000_000);
  const groups: MessageGroup[] = [];
  const waiting: (() => void)[] = [];
  const state = { dials: 0, isDown: false, unreachable: 0, end: (_reason: string): void => undefined };
  const stream: PeerStream = {
    write(group) {
      groups.push(group);
      return new Promise((resolve) => waiting.push(resolve));
    },
    onEnd(listener) {
      state.end = listener;
    },
    close: () => undefined,
  };
  const runtime = createTestRuntime({ clock });
  const sender = createPeerSender({
    wire: {
      async dial() {
        state.dials++;
        if (state.isDown) throw new Error("nobody is there");
        return stream;
      },
      sendSnapshot: async () => undefined,
    },
    to: "n2",
    address: () => "host:1",
    envelope: () => ({ clusterId: "c", from: "n1", fromAddress: "me:1" }),
    runtime,
    onUnreachable: () => state.unreachable++,
  });
  const taken = async (): Promise<void> => {
    waiting.shift()?.();
    await settle();
  };
  return { clock, groups, lines: runtime.lines, sender, state, taken };
}

test("a heartbeat overtakes the appends that wait", async () => {
  const { sender, groups, taken } = createHarness();
  for (let i = 0; i < 6; i++) sender.send(append(i));
  await settle();
  sender.send(heartbeat);
  await taken();
  expect(groups[0]?.messages.map(({ type }) => type)).toEqual(["append", "append"]);
  expect(groups[1]?.messages[0]).toEqual(heartbeat);
  sender.close();
});

test("a full queue drops appends, and the leader hears of it", async () => {
  const { sender, state } = createHarness();
  for (let i = 0; i < maxQueuedMessages; i++) sender.send(append(i));
  expect(state.unreachable).toBeGreaterThan(0);
  sender.close();
});

test("a dead peer is dialled again and again, never faster than the backoff", async () => {
  const { sender, state, clock } = createHarness();
  state.isDown = true;
  for (let i = 0; i < 200; i++) {
    sender.send(heartbeat);
    await clock.advance(50);
  }
  expect(state.dials).toBeGreaterThan(8);
  expect(state.dials).toBeLessThan(30);
  expect(state.unreachable).toBe(state.dials);
  sender.close();
});

test("a stream that ends loses what waited and is replaced", async () => {
  const { sender, state, clock, groups } = createHarness();
  sender.send(heartbeat);
  await settle();
  state.end("the server is stopping");
  expect(state.unreachable).toBe(1);
  await clock.advance(100);
  sender.send(append(1));
  await settle();
  expect(state.dials).toBe(2);
  expect(groups.at(-1)?.messages).toEqual([append(1)]);
  sender.close();
  expect(clock.pendingTimers()).toBe(0);
});

test("another server at the peer's address is reported once and dialled no faster than a dead one", async () => {
  const { sender, state, clock, lines, taken } = createHarness();
  for (let i = 0; i < 200; i++) {
    sender.send(heartbeat);
    await settle();
    await taken();
    state.end("this is server n9, not n2");
    await clock.advance(50);
  }
  expect(lines.filter((line) => line.includes("reached"))).toHaveLength(1);
  expect(state.dials).toBeLessThan(30);
  sender.close();
});

test("a peer that came back is reported when its stream lasts", async () => {
  const { sender, state, clock, lines, taken } = createHarness();
  sender.send(heartbeat);
  await taken();
  state.end("the server is stopping");
  for (let i = 0; i < 60; i++) {
    sender.send(heartbeat);
    await taken();
    await clock.advance(50);
  }
  expect(lines.filter((line) => line.includes("can be reached again"))).toHaveLength(1);
  expect(state.dials).toBe(2);
  sender.close();
});
