import { expect, test } from "bun:test";
import { createSocketServer } from "./slow-server.ts";
import type { Message } from "../../../../server/raft/core/types.ts";
import type { MessageGroup } from "../../../../server/raft/shell/peer-wire.ts";
import { eventually } from "../../../fakes/eventually.ts";
import { members } from "./disk.ts";
import { startWireServer } from "./wire-server.ts";

const ends = { from: "n1", to: "n2" };
const base = { ...ends, term: 3 };
const samples: readonly Message[] = [
  { ...base, type: "pre-vote", lastIndex: 7, lastTerm: 2, isTransfer: false },
  { ...base, type: "vote", lastIndex: 7, lastTerm: 2, isTransfer: true },
  { ...base, type: "pre-vote-response", isGranted: true, commit: 0, commitTerm: 0 },
  { ...base, type: "vote-response", isGranted: false, commit: 7, commitTerm: 2 },
  {
    ...base,
    type: "append",
    prevIndex: 7,
    prevTerm: 2,
    commit: 6,
    entries: [
      { index: 8, term: 2, kind: "empty" },
      { index: 9, term: 3, kind: "command", data: '{"ü":"\\n"}' },
      { index: 10, term: 3, kind: "config", change: { type: "leave-joint" } },
      {
        index: 11,
        term: 3,
        kind: "config",
        change: { type: "change", steps: [{ action: "add-voter", node: "n3", address: "h:1" }] },
      },
    ],
  },
  { ...base, type: "append-response", index: 9, isRejected: true, hintIndex: 4, hintTerm: 2 },
  { ...base, type: "heartbeat", commit: 6, round: 12 },
  { ...base, type: "heartbeat-response", round: 12 },
  { ...base, type: "snapshot", snapshot: { index: 5, term: 2, membership: members } },
  { ...base, type: "timeout-now" },
];

function group(parts: Partial<MessageGroup> = {}): MessageGroup {
  return { clusterId: "the-cluster", fromAddress: "127.0.0.1:1", messages: samples, ...ends, ...parts };
}

const never = new AbortController().signal;

test("every message arrives as it was sent, over real TLS", async () => {
  await using server = await startWireServer({ nodeId: "n2" });
  const stream = await server.wireOf("n1").dial(server.address, never);
  await stream.write(group());
  await stream.write(group({ messages: samples.slice(0, 1) }));
  await eventually("two groups", () => server.groups.length === 2);
  expect(server.groups[0]?.messages).toEqual(samples);
  expect(server.groups[0]?.fromAddress).toBe("127.0.0.1:1");
  stream.close();
});

const refusals: readonly { what: string; parts: Partial<MessageGroup>; says: string }[] = [
  { what: "of another cluster", parts: { clusterId: "other" }, says: "of cluster the-cluster, not other" },
  { what: "for another server", parts: { to: "n9" }, says: "this is server n2, not n9" },
  { what: "in another server's name", parts: { from: "n3" }, says: "not that of server n3" },
];
for (const { what, parts, says } of refusals) {
  test(`messages ${what} end the stream and are not delivered`, async () => {
    await using server = await startWireServer({ nodeId: "n2" });
    const stream = await server.wireOf("n1").dial(server.address, never);
    const reasons: string[] = [];
    stream.onEnd((reason) => reasons.push(reason));
    await stream.write(group(parts)).catch(() => undefined);
    await eventually(says, () => reasons.join().includes(says));
    expect(server.groups).toEqual([]);
  });
}

test("an agent's certificate opens no stream between servers", async () => {
  await using server = await startWireServer({ nodeId: "n2" });
  const dialled = server.agentWire("host-1").dial(server.address, never);
  await expect(dialled).rejects.toThrow("only servers of the cluster may ask this");
});

test("a server is told the index to read, an agent is not", async () => {
  await using server = await startWireServer({ nodeId: "n2" });
  expect(await server.askIndex("server")).toBe(17);
  await expect(server.askIndex("agent")).rejects.toThrow("only servers of the cluster may ask this");
});

test("a dead address is reported within the time, as unavailable", async () => {
  await using server = await startWireServer({ nodeId: "n2" });
  await using silent = await createSocketServer();
  await expect(server.wireOf("n1").dial("127.0.0.1:1", never)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await expect(server.wireOf("n1").dial(silent.address, never)).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("a stopping server ends its streams", async () => {
  const server = await startWireServer({ nodeId: "n2" });
  const stream = await server.wireOf("n1").dial(server.address, never);
  const reasons: string[] = [];
  stream.onEnd((reason) => reasons.push(reason));
  await stream.write(group());
  await server[Symbol.asyncDispose]();
  await eventually("the end", () => reasons.length === 1);
});

const meta = { index: 40, term: 3, membership: members };
const outgoing = { clusterId: "the-cluster", ...ends, term: 3, meta, rowCount: 2, rowDigest: 77 };
async function* chunksOf(...texts: string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

test("a snapshot arrives chunk by chunk, with what it must add up to", async () => {
  await using server = await startWireServer({ nodeId: "n2" });
  const big = "x".repeat(300_000);
  await server.wireOf("n1").sendSnapshot(server.address, { ...outgoing, chunks: chunksOf(big, "second", big) }, never);
  expect(server.snapshots).toEqual([
    { from: "n1", term: 3, meta, bytes: big.length * 2 + 6, totals: { rowCount: 2, rowDigest: 77 } },
  ]);
});

test("a snapshot that the receiver refuses, or that breaks off, is an error of the sender", async () => {
  await using server = await startWireServer({ nodeId: "n2" });
  const wire = server.wireOf("n1");
  async function* broken(): AsyncIterable<Uint8Array> {
    yield Buffer.from("first");
    throw new Error("the disk is gone");
  }
  await expect(wire.sendSnapshot(server.address, { ...outgoing, chunks: broken() }, never)).rejects.toThrow("disk");
  server.refuseSnapshots("no room");
  await expect(wire.sendSnapshot(server.address, { ...outgoing, chunks: chunksOf("a", "b") }, never)).rejects.toThrow(
    "no room",
  );
  expect(server.snapshots).toEqual([]);
});

test("servers of different releases speak the newest version that both know", async () => {
  await using server = await startWireServer({ nodeId: "n2", protocols: { oldest: 2, newest: 4 } });
  for (const [oldest, newest] of [
    [1, 2],
    [3, 7],
    [2, 4],
  ] as const) {
    const wire = server.wireOf("n1", { oldest, newest });
    const stream = await wire.dial(server.address, never);
    await stream.write(group());
    stream.close();
    await wire.sendSnapshot(server.address, { ...outgoing, chunks: chunksOf("rows") }, never);
  }
  await eventually("the groups of all three", () => server.groups.length === 3);
  expect(server.groups).toMatchObject([{ protocolVersion: 2 }, { protocolVersion: 4 }, { protocolVersion: 4 }]);
  expect(server.snapshots).toHaveLength(3);
});

test("servers without a common version refuse each other, and both are told which one to upgrade", async () => {
  await using server = await startWireServer({ nodeId: "n2", protocols: { oldest: 2, newest: 3 } });
  const old = server.wireOf("n1", { oldest: 1, newest: 1 });
  const tooOld = "the server that calls speaks protocol 1, server n2 2 to 3: upgrade the server that calls";
  await expect(old.dial(server.address, never)).rejects.toThrow(tooOld);
  const snapshot = { ...outgoing, chunks: chunksOf("rows") };
  await expect(old.sendSnapshot(server.address, snapshot, never)).rejects.toMatchObject({ code: "PROTOCOL_MISMATCH" });
  const tooNew = "the server that calls speaks protocol 4 to 5, server n2 2 to 3: upgrade server n2";
  await expect(server.wireOf("n1", { oldest: 4, newest: 5 }).dial(server.address, never)).rejects.toThrow(tooNew);
  expect(server.groups).toEqual([]);
  expect(server.snapshots).toEqual([]);
});

test("a snapshot is read no faster than its receiver takes it, so its size is no matter of memory", async () => {
  const total = 200;
  let sent = 0;
  let taken = 0;
  let mostUnderWay = 0;
  await using server = await startWireServer({
    nodeId: "n2",
    async onChunk() {
      taken++;
      mostUnderWay = Math.max(mostUnderWay, sent - taken);
      // A disk that needs some turns of the event loop, in which a sender that does not wait would read on.
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    },
  });
  async function* chunks(): AsyncIterable<Uint8Array> {
    for (; sent < total; sent++) yield Buffer.alloc(256 * 1024, sent);
  }
  await server.wireOf("n1").sendSnapshot(server.address, { ...outgoing, chunks: chunks() }, never);
  expect(taken).toBe(total);
  expect(mostUnderWay).toBeLessThan(16);
});
