import type { Random } from "../../lib/base/random.ts";

/** Values for the fuzzer of the HTTP API: of the shape that a schema asks for, nearly of it, and nothing like it. */
export function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[Math.floor(random.float() * items.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}

const hostileTexts: readonly string[] = [
  "",
  "*",
  "..",
  "../../etc/passwd",
  "a/../../b",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "\u0000",
  "\ud800",
  "a\nb",
  "ü𝄞",
  "%00%ff",
  " ",
  "-1",
  "1e999",
  "NaN",
  "null",
  "true",
  "a".repeat(5_000),
  "(a+)+$",
  "((((((((((((((((((((",
  '" or 1 == 1',
  "10s",
  "-10s",
  "9999999h",
  "00000000-0000-4000-8000-000000000000",
  "http",
  "tcp",
  "web",
  "node1",
  "allow",
  "deny",
  "service-defaults",
];

const hostileNumbers: readonly number[] = [0, -1, 1, 0.5, 1e9, 2 ** 31, 2 ** 53, -(2 ** 63), 1e308];

const oddities: readonly ((random: Random) => unknown)[] = [
  () => null,
  () => [],
  () => ({}),
  (random) => pick(random, hostileTexts),
  (random) => pick(random, hostileNumbers),
  () => true,
  () => [[[[[[]]]]]],
  () => [null, null],
  () => ({ a: { b: { c: {} } } }),
  () => JSON.parse('{"__proto__":{"isAdmin":true}}'),
];

export function text(random: Random): string {
  return pick(random, hostileTexts);
}

type Schema = Readonly<Record<string, unknown>>;

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value of a JSON schema, which in one of some places is something else. */
export function shaped(schema: unknown, random: Random, depth = 0): unknown {
  if (random.float() < 0.06 || depth > 8) return pick(random, oddities)(random);
  if (!isSchema(schema)) return text(random);
  const { enum: choices, anyOf, type, properties, items, additionalProperties, patternProperties } = schema;
  if (Array.isArray(choices)) return random.float() < 0.9 ? pick(random, choices) : text(random);
  if (Array.isArray(anyOf)) return shaped(pick(random, anyOf), random, depth + 1);
  if (isSchema(properties)) {
    const kept = Object.entries(properties).filter(() => random.float() < 0.6);
    return Object.fromEntries(kept.map(([name, one]) => [name, shaped(one, random, depth + 1)]));
  }
  if (type === "array")
    return Array.from({ length: Math.floor(random.float() * 4) }, () => shaped(items, random, depth + 1));
  if (type === "integer" || type === "number") return pick(random, hostileNumbers);
  if (type === "boolean") return random.float() < 0.5;
  if (type === "object") {
    const [inner] = isSchema(patternProperties) ? Object.values(patternProperties) : [additionalProperties];
    const names = Array.from({ length: Math.floor(random.float() * 3) }, () => text(random));
    return Object.fromEntries(names.map((name) => [name, shaped(inner, random, depth + 1)]));
  }
  if (type === "string") return text(random);
  return pick(random, oddities)(random);
}

/** Bodies that are no JSON, or too much of it. */
export function hostileBody(random: Random): Buffer {
  const bodies: readonly (() => Buffer)[] = [
    () => Buffer.alloc(0),
    () => Buffer.from("{"),
    () => Buffer.from("null"),
    () => Buffer.from('"text"'),
    () => Buffer.from("[1,2,3]"),
    () => Buffer.from([0xff, 0xfe, 0x00, 0x80]),
    () => Buffer.from(`{"Name":"${"\u0000"}"}`),
    () => Buffer.from(`{"Name":"a","Name":"b"}`),
    () => Buffer.from(`${"[".repeat(50_000)}${"]".repeat(50_000)}`),
    () => Buffer.from(`${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`),
    () => Buffer.from('{"__proto__":{"Name":"x"},"constructor":{"prototype":{"Name":"y"}}}'),
    () => Buffer.concat([Buffer.from('{"Name":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]),
    () => Buffer.from(`{"Name":"${"x".repeat(600_000)}"}`),
    () => Buffer.from(random.bytes(64)),
  ];
  return pick(random, bodies)();
}

/** A segment of a path, escaped so that it arrives as it is, or not. */
export function segment(random: Random): string {
  const raw = text(random);
  if (random.float() < 0.1) return raw.replace(/[^!-"$->@-~]/g, "x");
  return raw.isWellFormed() ? encodeURIComponent(raw) : "%ED%A0%80";
}
