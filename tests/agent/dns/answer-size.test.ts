import { expect, test } from "bun:test";
import { types, uint16s } from "./messages.ts";
import { createTestDns, dnsNode, instance } from "./test-dns.ts";

const many = (count: number, meta: Readonly<Record<string, string>> = {}) =>
  Array.from({ length: count }, (_, i) =>
    instance(dnsNode(`node-${i}`, `10.0.${i >> 8}.${i & 255}`, meta), { port: i }),
  );
const services = {
  "service/web": many(300),
  "service/meta": many(8, { text: "x".repeat(200) }),
  "service/huge": many(5_000),
};
const dns = createTestDns({ services });
const address = { name: "web.service.consul", type: types.A };
const srv = { name: "web.service.consul", type: types.SRV };

test("plain UDP gets three answers, or as many as the limit says up to eight, in 512 bytes", async () => {
  expect((await dns.ask(address)).answers).toHaveLength(3);
  const answers = async (udpAnswerLimit: number) =>
    (await createTestDns({ services }, { udpAnswerLimit }).ask(address)).answers.length;
  expect(await answers(5)).toBe(5);
  expect(await answers(100)).toBe(8);
  expect((await dns.askBytes(srv)).length).toBeLessThanOrEqual(512);
});

test("that answers were left out is said only where that is turned on", async () => {
  expect((await dns.ask(address)).isTruncated).toBe(false);
  const honest = createTestDns({ services }, { isTruncationShown: true });
  expect((await honest.ask(address)).isTruncated).toBe(true);
  expect((await honest.ask(address, "tcp")).isTruncated).toBe(false);
});

test.each([513, 1_232, 4_096, 65_535])("with EDNS an answer fills %i bytes and no more", async (ednsBytes) => {
  for (const query of [address, srv, { ...srv, name: "meta.service.consul" }]) {
    const bytes = await dns.askBytes({ ...query, ednsBytes });
    expect(bytes.length).toBeLessThanOrEqual(Math.min(ednsBytes, 65_467));
    const message = await dns.ask({ ...query, ednsBytes });
    expect(message.answers.length).toBeGreaterThan(0);
    // Whatever is left can be used: each target has its address beside it.
    if (query.type === types.SRV && message.answers.length > 1) {
      const owners = new Set(message.additional.filter(({ type }) => type === types.A).map(({ name }) => name));
      for (const { data } of message.answers) expect(owners).toContain(data.split(" ")[3] ?? "");
    }
  }
});

test("a size below 512 counts as 512", async () => {
  expect((await dns.askBytes({ ...srv, ednsBytes: 100 })).length).toBeLessThanOrEqual(512);
});

test("TCP carries 64 KB, at most 4096 answers and 1024 of SRV", async () => {
  expect((await dns.ask(address, "tcp")).answers).toHaveLength(300);
  const huge = { name: "huge.service.consul", type: types.A };
  expect((await dns.askBytes(huge, "tcp")).length).toBeLessThanOrEqual(65_523);
  expect((await dns.ask(huge, "tcp")).answers.length).toBeGreaterThan(3_900);
  expect((await dns.ask({ ...huge, type: types.SRV }, "tcp")).answers.length).toBeLessThanOrEqual(1_024);
  expect((await dns.askBytes({ ...huge, type: types.SRV }, "tcp")).length).toBeLessThanOrEqual(65_523);
});

test("address records have a limit of their own, SRV records do not", async () => {
  const limited = createTestDns({ services }, { aRecordLimit: 2 });
  expect((await limited.ask(address, "tcp")).answers).toHaveLength(2);
  expect((await limited.ask({ ...address, type: types.ANY }, "tcp")).answers).toHaveLength(2);
  expect((await limited.ask(srv, "tcp")).answers).toHaveLength(300);
});

test("one answer is sent alone when what belongs to it does not fit", async () => {
  const node = dnsNode("n", "10.0.0.1", { a: "x".repeat(400), b: "y".repeat(400) });
  const message = await createTestDns({ services: { "service/web": [instance(node)] } }).ask(srv);
  expect(message.answers).toHaveLength(1);
  expect(message.additional).toHaveLength(0);
});

test("compression can be turned off", async () => {
  const plain = createTestDns({ services }, { isCompressed: false });
  const compressed = await dns.askBytes(srv, "tcp");
  const uncompressed = await plain.askBytes(srv, "tcp");
  expect(uncompressed.length).toBeGreaterThan(compressed.length * 1.5);
  expect((await plain.ask(srv, "tcp")).answers).toHaveLength(300);
});

test("EDNS is answered with EDNS: the client's size, and its subnet without a scope", async () => {
  const options = Buffer.concat([uint16s(8, 7), Buffer.of(0, 1, 24, 0, 192, 0, 2)]);
  const { opt } = await dns.ask({ ...address, ednsBytes: 1_400, options });
  expect(opt).toMatchObject({ recordClass: 1_400, ttl: 0, data: "0008000700011800c00002" });
  expect((await dns.ask(address)).opt).toBeUndefined();
});

test.each([
  ["a version of EDNS that does not exist yet", { ...address, ednsBytes: 1_232, ednsVersion: 1 }, 0, 0x0100_0000],
  ["another class", { ...address, recordClass: 3 }, 5, undefined],
  ["an update", { ...address, flags: 5 << 11 }, 4, undefined],
  ["a transfer of the zone", { ...address, type: types.AXFR }, 4, undefined],
  ["a name of nobody's", { ...address, name: "example.com" }, 5, undefined],
  [
    "a subnet with bits behind its prefix",
    { ...address, ednsBytes: 512, options: Buffer.from("0008000700011400c00002", "hex") },
    1,
    undefined,
  ],
])("%s is refused", async (_what, query, rcode, ttl) => {
  const message = await dns.ask(query);
  expect(message).toMatchObject({ rcode, answers: [], isAuthoritative: false });
  if (ttl !== undefined) expect(message.opt?.ttl).toBe(ttl);
});
