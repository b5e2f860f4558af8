import { expect, test } from "bun:test";
import { createHotAnswers } from "../../../agent/dns/hot-answers.ts";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { readMessage, types, writeQuery } from "./messages.ts";
import { createTestDns, dnsNode, instance } from "./test-dns.ts";

function createHot() {
  const clock = createVirtualClock(0);
  let version = 1;
  const hot = createHotAnswers({ version: () => version, clock, random: createSeededRandom(3) });
  return { hot, clock, change: () => version++ };
}

const packet = writeQuery({ name: "web.service.consul", type: types.A, id: 1 });
const other = writeQuery({ name: "web.service.consul", type: types.A, id: 0xabcd });

function fill(hot: ReturnType<typeof createHot>["hot"]): void {
  hot.get(packet, "udp");
  for (let i = 0; i < 32; i++) hot.put(packet, "udp", Uint8Array.of(0, 1, 0x84, 0, i));
}

test("an answer that came often enough is given for packets that differ in their id alone", () => {
  const { hot } = createHot();
  expect(hot.get(packet, "udp")).toBeUndefined();
  fill(hot);
  const answer = hot.get(other, "udp");
  expect([answer?.[0], answer?.[1]]).toEqual([0xab, 0xcd]);
  expect(hot.get(packet, "tcp")).toBeUndefined();
  expect(hot.get(writeQuery({ name: "web.service.consul", type: types.AAAA }), "udp")).toBeUndefined();
  expect(hot.get(writeQuery({ name: "Web.service.consul", type: types.A }), "udp")).toBeUndefined();
  expect(hot.get(writeQuery({ name: "web.service.consul", type: types.A, flags: 0 }), "udp")).toBeUndefined();
  expect(hot.get(writeQuery({ name: "web.service.consul", type: types.A, ednsBytes: 1_232 }), "udp")).toBeUndefined();
});

test("its orders take turns, and nobody's answer is another's memory", () => {
  const { hot } = createHot();
  fill(hot);
  const seen = new Set<number | undefined>();
  for (let i = 0; i < 500; i++) {
    const answer = hot.get(packet, "udp");
    seen.add(answer?.[4]);
    answer?.fill(0xff);
  }
  expect(seen.size).toBe(32);
  expect(seen.has(0xff)).toBe(false);
});

test("a change of the catalog and a second each end it", async () => {
  const { hot, clock, change } = createHot();
  fill(hot);
  change();
  expect(hot.get(packet, "udp")).toBeUndefined();
  fill(hot);
  expect(hot.get(packet, "udp")).toBeDefined();
  await clock.advance(1_000);
  expect(hot.get(packet, "udp")).toBeUndefined();
});

test("what is long or too much is not kept", () => {
  const { hot } = createHot();
  const long = Buffer.concat([packet, Buffer.alloc(200)]);
  for (let i = 0; i < 40; i++) hot.put(long, "udp", Uint8Array.of(1, 2, 3, 4));
  for (let i = 0; i < 40; i++) hot.put(packet, "udp", new Uint8Array(5_000));
  expect(hot.get(long, "udp")).toBeUndefined();
  expect(hot.get(packet, "udp")).toBeUndefined();
  for (let i = 0; i < 2_000; i++) {
    const query = writeQuery({ name: `n${i}.service.consul`, type: types.A });
    for (let variant = 0; variant < 32; variant++) hot.put(query, "udp", Uint8Array.of(0, 0, 0x84, 0));
  }
  expect(hot.get(writeQuery({ name: "n1999.service.consul", type: types.A }), "udp")).toBeUndefined();
});

test("hundreds of the same question are answered alike, with every instance first now and then", async () => {
  const { hot } = createHot();
  const nodes = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map((address, i) => instance(dnsNode(`n${i}`, address)));
  const dns = createTestDns({ services: { "service/web": nodes } }, {}, undefined, hot);
  const first = new Map<string, number>();
  for (let id = 0; id < 600; id++) {
    const bytes = await dns.answer(writeQuery({ name: "web.service.consul", type: types.A, id }), "", "udp");
    const message = readMessage(bytes ?? Buffer.alloc(0));
    expect(message).toMatchObject({ id, rcode: 0, question: "web.service.consul" });
    expect(message.answers.map(({ data }) => data).toSorted()).toEqual(["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    const address = message.answers[0]?.data ?? "";
    first.set(address, (first.get(address) ?? 0) + 1);
  }
  expect(Math.min(...first.values())).toBeGreaterThan(60);
});
