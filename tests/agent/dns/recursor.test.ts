import { afterEach, expect, test } from "bun:test";
import { createRecursor, type RecursorOptions } from "../../../agent/dns/recursor.ts";
import { listenTcp } from "../../../agent/dns/tcp-listener.ts";
import { listenUdp, type MessageHandler } from "../../../agent/dns/udp-listener.ts";
import { systemClock } from "../../../lib/base/clock.ts";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { readMessage, types, uint16s, wireName, writeQuery } from "./messages.ts";
import { createTestDns, dnsNode, instance, shown } from "./test-dns.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A resolver on both transports; its address. */
async function startResolver(udp: MessageHandler, tcp: MessageHandler = udp): Promise<string> {
  const common = { onDrop: () => undefined, onError: () => undefined };
  const first = await listenTcp({ listen: { host: "127.0.0.1", port: 0 }, handle: tcp, clock: systemClock, ...common });
  const second = await listenUdp({ listen: first.address, handle: udp, ...common });
  closers.push(
    () => first.close(),
    () => second.close(),
  );
  return `127.0.0.1:${first.address.port}`;
}

function recursorOver(recursors: readonly string[], options: Partial<RecursorOptions["settings"]> = {}) {
  const failures: string[] = [];
  const closing = new AbortController();
  const recursor = createRecursor({
    settings: { recursors, recursorOrder: "sequential", recursorTimeoutMs: 200, ...options },
    clock: systemClock,
    random: createSeededRandom(5),
    signal: closing.signal,
    onFailure: (address) => failures.push(address),
  });
  const close = (): void => closing.abort();
  closers.push(close);
  return { recursor, failures, close };
}

/** The query's question with one record behind it. */
function answerWith(query: Uint8Array, { rcode = 0, flags = 0, records = [] as Buffer[] } = {}): Buffer {
  const message = Buffer.concat([Buffer.from(query), ...records]);
  message.writeUInt16BE(0x8180 | flags | rcode, 2);
  message.writeUInt16BE(records.length, 6);
  return message;
}

function record(name: string, type: number, data: Buffer): Buffer {
  return Buffer.concat([wireName(name), uint16s(type, 1, 0, 60, data.length), data]);
}

const query = writeQuery({ name: "www.example.com", type: types.A, id: 77 });
const address = record("www.example.com", types.A, Buffer.of(192, 0, 2, 1));

test("names of others are answered by the recursor as it answers them, under the client's id", async () => {
  const resolver = await startResolver((message) => answerWith(message, { records: [address] }));
  const { recursor } = recursorOver([resolver]);
  const dns = createTestDns({}, { recursors: [resolver] }, recursor);
  const message = await dns.ask({ name: "www.example.com", type: types.A, id: 77 });
  expect(message).toMatchObject({ id: 77, rcode: 0, isAuthoritative: false, isRecursionAvailable: true });
  expect(shown(message.answers)).toEqual(["www.example.com 1 192.0.2.1"]);
  expect(readMessage((await recursor.ask(query, "tcp")) ?? Buffer.alloc(0)).id).toBe(77);
  // Ours stay ours, and say that recursion is to be had.
  const ours = await dns.ask({ name: "nobody.service.consul", type: types.A });
  expect(ours).toMatchObject({ rcode: 3, isAuthoritative: true, isRecursionAvailable: true });
});

test("an answer of a recursor that the client cannot take is cut, and said to be", async () => {
  const many = Array.from({ length: 40 }, (_, i) => record("www.example.com", types.A, Buffer.of(192, 0, 2, i)));
  const resolver = await startResolver((message) => answerWith(message, { records: many }));
  const { recursor } = recursorOver([resolver]);
  const dns = createTestDns({}, { recursors: [resolver] }, recursor);
  const asked = { name: "www.example.com", type: types.A, id: 77 };
  expect(await dns.ask(asked)).toMatchObject({ id: 77, isTruncated: true, answers: [], question: asked.name });
  expect((await dns.ask(asked, "tcp")).answers).toHaveLength(40);
  expect((await dns.ask({ ...asked, ednsBytes: 4_096 })).isTruncated).toBe(false);
});

test("a client on TCP is answered from UDP, and from TCP where that was cut", async () => {
  const onlyUdp = await startResolver(
    (message) => answerWith(message, { records: [address] }),
    () => undefined,
  );
  const cutting = await startResolver(
    (message) => answerWith(message, { flags: 0x0200 }),
    (message) => answerWith(message, { records: [address, address] }),
  );
  for (const [resolver, count] of [
    [onlyUdp, 1],
    [cutting, 2],
  ] as const) {
    const answer = await recursorOver([resolver]).recursor.ask(query, "tcp");
    expect(readMessage(answer ?? Buffer.alloc(0)).answers).toHaveLength(count);
  }
  const cut = await recursorOver([cutting]).recursor.ask(query, "udp");
  expect(readMessage(cut ?? Buffer.alloc(0)).isTruncated).toBe(true);
});

test("a recursor that is silent, refuses or fails is passed over; that a name does not exist is an answer", async () => {
  const silent = await startResolver(() => undefined);
  const failing = await startResolver((message) => answerWith(message, { rcode: 2 }));
  const refusing = await startResolver((message) => answerWith(message, { rcode: 5 }));
  const good = await startResolver((message) => answerWith(message, { rcode: 3 }));
  const { recursor, failures } = recursorOver([silent, failing, refusing, good]);
  expect(readMessage((await recursor.ask(query, "udp")) ?? Buffer.alloc(0)).rcode).toBe(3);
  expect(failures).toEqual([silent, failing, refusing]);
});

test("when no recursor answers it is SERVFAIL, and REFUSED where there is none", async () => {
  const failing = await startResolver((message) => answerWith(message, { rcode: 2 }));
  const { recursor } = recursorOver([failing]);
  const asked = { name: "www.example.com", type: types.A };
  expect(await createTestDns({}, { recursors: [failing] }, recursor).ask(asked)).toMatchObject({ rcode: 2 });
  expect(await createTestDns({}).ask(asked)).toMatchObject({ rcode: 5, isRecursionAvailable: false });
});

test("answers with another id or question are no answers", async () => {
  const forger = await startResolver((message) => {
    const forged = answerWith(message, { records: [address] });
    forged[0] = (forged[0] ?? 0) ^ 1;
    return forged;
  });
  const other = await startResolver(() => answerWith(writeQuery({ name: "evil.example.com", type: types.A })));
  const { recursor } = recursorOver([forger, other]);
  expect(await recursor.ask(query, "udp")).toBeUndefined();
});

test("an instance under somebody's name is an alias with the addresses that the recursor knows", async () => {
  const long = Array.from({ length: 8 }, (_, i) => record("ext.example.com", types.A, Buffer.of(192, 0, 2, i)));
  const resolver = await startResolver(
    (message) => answerWith(message, { flags: 0x0200 }),
    (message) => answerWith(message, { records: long }),
  );
  const { recursor } = recursorOver([resolver]);
  const services = {
    "service/web": [instance(dnsNode("n", "10.0.0.1"), { endpoint: { hostName: "ext.example.com" } })],
  };
  const dns = createTestDns({ services }, { recursors: [resolver] }, recursor);
  const all = await dns.ask({ name: "web.service.consul", type: types.A }, "tcp");
  expect(all.answers).toHaveLength(9);
  expect(all.answers[0]).toMatchObject({ type: types.CNAME, data: "ext.example.com" });
  // Without EDNS no more than five of them.
  const plain = createTestDns({ services }, { recursors: [resolver], udpAnswerLimit: 8 }, recursor);
  expect((await plain.ask({ name: "web.service.consul", type: types.A })).answers).toHaveLength(6);
  const srv = await dns.ask({ name: "web.service.consul", type: types.SRV }, "tcp");
  expect(srv.answers.map(({ data }) => data)).toEqual(["1 1 80 ext.example.com"]);
  expect(srv.additional).toHaveLength(8);
});

test("random order spreads questions over the recursors", async () => {
  const seen = [0, 0];
  const counting = (i: number) =>
    startResolver((message) => {
      seen[i] = (seen[i] ?? 0) + 1;
      return answerWith(message);
    });
  const { recursor } = recursorOver([await counting(0), await counting(1)], { recursorOrder: "random" });
  for (let i = 0; i < 40; i++) await recursor.ask(query, "udp");
  expect(Math.min(...seen)).toBeGreaterThan(5);
});

test("closing gives up what is under way", async () => {
  const silent = await startResolver(() => undefined);
  const { recursor, close } = recursorOver([silent], { recursorTimeoutMs: 60_000 });
  const answer = recursor.ask(query, "udp");
  close();
  expect(await answer).toBeUndefined();
  expect(await recursor.ask(query, "udp")).toBeUndefined();
});
