import { expect, test } from "bun:test";
import { createHotAnswers } from "../../../agent/dns/hot-answers.ts";
import { createSeededRandom, type Random } from "../../../lib/base/random.ts";
import { readAnswer } from "../../../agent/dns/wire/reader.ts";
import { readMessage, types, uint16s, wireName, writeQuery } from "./messages.ts";
import { createTestDns, dnsNode, endpoint, instance } from "./test-dns.ts";

/** ATOLL_TEST_SEED replays one run; the failure names the seed and the packet. */
const seeds =
  process.env["ATOLL_TEST_SEED"] === undefined ? [101, 102, 103, 104] : [Number(process.env["ATOLL_TEST_SEED"])];
const packetsPerSeed = 5_000;

const nodes = Array.from({ length: 40 }, (_, i) =>
  dnsNode(`n${i}`, i % 3 === 0 ? `2001:db8::${i}` : `10.0.0.${i}`, { k: "v" }),
);
const hot = createHotAnswers({ version: () => 1, clock: { monotonicMs: () => 0 }, random: createSeededRandom(1) });
const dns = createTestDns(
  {
    services: {
      "service/web": nodes.map((node) => instance(node, { tags: ["v1"] })),
      "service/ext": [instance(nodes[0] ?? dnsNode("x", "10.0.0.1"), { endpoint: endpoint("other.example.com") })],
    },
    nodes,
    offsets: { web: 1 },
    holders: { "10.0.0.1": { services: [{ name: "web", datacenter: "dc1" }] } },
  },
  {},
  undefined,
  hot,
);

const names = [
  "web.service.consul",
  "v1.web.service.mesh",
  "_web._tcp.consul",
  "n1.node.consul",
  "web.virtual.mesh",
  "1.0.0.10.in-addr.arpa",
  "consul",
  "ext.service.consul",
  "example.com",
  "",
];
const header = (...counts: number[]) => uint16s(7, 0x0100, ...counts);
/** Each of these once broke somebody's server. */
const corpus: readonly Buffer[] = [
  Buffer.alloc(0),
  Buffer.alloc(11),
  Buffer.alloc(12),
  // A name that points to itself, to another pointer, and beyond the end.
  Buffer.concat([header(1, 0, 0, 0), Buffer.of(0xc0, 12), uint16s(1, 1)]),
  Buffer.concat([header(1, 0, 0, 0), Buffer.of(1, 97, 0xc0, 12), uint16s(1, 1)]),
  Buffer.concat([header(1, 0, 0, 0), Buffer.of(0xc0, 14, 0xc0, 12), uint16s(1, 1)]),
  Buffer.concat([header(1, 0, 0, 0), Buffer.of(0xff, 0xff), uint16s(1, 1)]),
  // Reserved kinds of labels.
  Buffer.concat([header(1, 0, 0, 0), Buffer.of(0x40, 0), uint16s(1, 1)]),
  Buffer.concat([header(1, 0, 0, 0), Buffer.of(0x80, 0), uint16s(1, 1)]),
  // Labels without an end, a name too long, a label longer than the packet.
  Buffer.concat([header(1, 0, 0, 0), ...Array.from({ length: 200 }, () => Buffer.of(1, 97))]),
  Buffer.concat([
    header(1, 0, 0, 0),
    ...Array.from({ length: 127 }, () => Buffer.of(1, 97)),
    Buffer.of(0),
    uint16s(1, 1),
  ]),
  Buffer.concat([
    header(1, 0, 0, 0),
    ...Array.from({ length: 128 }, () => Buffer.of(1, 97)),
    Buffer.of(0),
    uint16s(1, 1),
  ]),
  Buffer.concat([header(1, 0, 0, 0), Buffer.of(63, 97)]),
  // Counts of more than there is.
  Buffer.concat([header(0xffff, 0xffff, 0xffff, 0xffff), wireName("web.service.consul"), uint16s(1, 1)]),
  Buffer.concat([header(1, 0, 0, 0xffff), wireName("web.service.consul"), uint16s(1, 1)]),
  Buffer.concat([header(0, 0, 0, 0)]),
  Buffer.concat([header(2, 0, 0, 0), wireName("a"), uint16s(1, 1), wireName("b"), uint16s(1, 1)]),
  // OPT records: two, one under a name, one with an option longer than itself.
  Buffer.concat([header(1, 0, 0, 2), wireName("consul"), uint16s(1, 1), opt(), opt()]),
  Buffer.concat([header(1, 0, 0, 1), wireName("consul"), uint16s(1, 1), wireName("x"), opt().subarray(1)]),
  writeQuery({ name: "web.service.consul", type: 1, ednsBytes: 4_096, options: uint16s(8, 0xffff) }),
  writeQuery({
    name: "web.service.consul",
    type: 1,
    ednsBytes: 0xffff,
    options: Buffer.concat([uint16s(8, 4), Buffer.of(0, 9, 255, 255)]),
  }),
  // An answer, which must not be answered.
  writeQuery({ name: "web.service.consul", type: 1, flags: 0x8000 }),
];

function opt(): Buffer {
  return Buffer.concat([Buffer.of(0), uint16s(types.OPT, 4_096, 0, 0, 0)]);
}

/** Whatever comes in: no throw, no wait without an end, and if an answer then one that can be read and is short enough. */
async function judge(packet: Buffer): Promise<void> {
  for (const transport of ["udp", "tcp"] as const) {
    const bytes = await dns.answer(packet, "127.0.0.1", transport);
    if (bytes === undefined) continue;
    const message = readMessage(bytes);
    expect(message.flags & 0x8000).toBe(0x8000);
    expect(message.id).toBe(packet.readUInt16BE(0));
    const isAsked = message.opt !== undefined;
    expect(bytes.length).toBeLessThanOrEqual(
      transport === "tcp" ? 65_523 : isAsked ? Math.max(message.opt?.recordClass ?? 0, 512) : 512,
    );
    if (!isAsked && transport === "udp") expect(message.answers.length).toBeLessThanOrEqual(8);
  }
}

test("packets that broke other servers are answered in order or dropped", async () => {
  for (const packet of corpus) await judge(packet);
});

test("what is no query is not answered, and what cannot be read is a format error", async () => {
  for (const packet of [Buffer.alloc(11), writeQuery({ name: "a", type: 1, flags: 0x8000 })]) {
    expect(await dns.answer(packet, "", "udp")).toBeUndefined();
  }
  const loop = Buffer.concat([header(1, 0, 0, 0), Buffer.of(0xc0, 12), uint16s(1, 1)]);
  expect(readMessage((await dns.answer(loop, "", "udp")) ?? Buffer.alloc(0)).rcode).toBe(1);
});

for (const seed of seeds) {
  test(`any bytes are answered in order or dropped (seed ${seed})`, async () => {
    const random = createSeededRandom(seed);
    for (let i = 0; i < packetsPerSeed; i++) {
      const packet = randomPacket(random);
      try {
        await judge(packet);
      } catch (thrown) {
        throw new Error(`seed ${seed}, packet ${i}: ${packet.toString("hex")}`, { cause: thrown });
      }
      // The same bytes as a resolver's answer: read to where they make sense.
      readAnswer(packet);
    }
  });
}

function randomPacket(random: Random): Buffer {
  const below = (limit: number): number => Math.floor(random.float() * limit);
  const pick = <T>(items: readonly T[], fallback: T): T => items[below(items.length)] ?? fallback;
  if (random.float() < 0.1) return Buffer.from(random.bytes(below(80)));
  const isPlain = random.float() < 0.4;
  const base = Buffer.from(
    random.float() < 0.2
      ? pick(corpus, Buffer.alloc(12))
      : writeQuery({
          name: pick(names, "consul"),
          type: pick([...Object.values(types), below(300)], 1),
          ...(isPlain ? {} : { ednsBytes: below(70_000) & 0xffff, options: Buffer.from(random.bytes(below(12))) }),
        }),
  );
  for (let changes = below(5); changes > 0 && base.length > 0; changes--) {
    const at = below(base.length);
    base[at] = random.float() < 0.3 ? 0xc0 | below(4) : below(256);
  }
  return random.float() < 0.2 ? base.subarray(0, below(base.length + 1)) : base;
}
