import { expect, test } from "bun:test";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";

const smallest = { identity: { certFile: "a", keyFile: "b", caFile: "c" }, admin: { listen: "127.0.0.1:19000" } };

function parse(balancer: unknown, endpoint: object = {}): unknown {
  const outbound = [
    { service: "web", listen: "127.0.0.1:15001", balancer, endpoints: [{ address: "127.0.0.1:1", ...endpoint }] },
  ];
  const parsed = parseProxyConfig({ ...smallest, outbound });
  if (!parsed.ok) return parsed.issues.map((issue) => `${issue.path}: ${issue.message}`);
  return [parsed.config.outbound[0]?.balancer, parsed.config.outbound[0]?.endpoints[0]];
}

const defaults = {
  policy: "least-request",
  choices: 2,
  decayMs: 10_000,
  defaultRttMs: 30,
  minRingSize: 1_024,
  maxRingSize: 262_144,
  tableSize: 65_537,
  hashPolicies: [],
  slowStartMs: 0,
  slowStartAggression: 1,
  slowStartMinWeightPercent: 10,
  localZone: "",
  minZoneEndpoints: 6,
  overprovisioningPercent: 140,
  panicThresholdPercent: 50,
  maxRetryAfterMs: 60_000,
};

test("a balancer has every default written out, and so has an endpoint", () => {
  const endpoint = { address: "127.0.0.1:1", weight: 1, zone: "", priority: 0, tags: {} };
  expect(parse(undefined)).toEqual([defaults, endpoint]);
  expect(parse({})).toEqual([defaults, endpoint]);
  expect(parse({ policy: "ring-hash", hashPolicies: [{ on: "source-ip" }] }, { zone: "a", tags: { v: "2" } })).toEqual([
    { ...defaults, policy: "ring-hash", hashPolicies: [{ on: "source-ip", name: "", terminal: false }] },
    { ...endpoint, zone: "a", tags: { v: "2" } },
  ]);
});

test("values beyond their bounds are refused by field, value and bound", () => {
  const at = "outbound[0].balancer";
  expect(parse({ policy: "fastest" })).toEqual([
    `${at}.policy: must be one of ["least-request","peak-ewma","random","round-robin","ring-hash","maglev"], found "fastest"`,
  ]);
  expect(parse({ choices: 1, maxRetryAfterMs: 60_001, slowStart: 3 })).toEqual([
    `${at}.slowStart: unknown field`,
    `${at}.choices: must be >= 2, found 1`,
    `${at}.maxRetryAfterMs: must be <= 60000, found 60001`,
  ]);
  expect(parse({}, { priority: 128, tags: { v: 2 } })).toEqual([
    "outbound[0].endpoints[0].priority: must be <= 127, found 128",
    "outbound[0].endpoints[0].tags.v: must be string, found 2",
  ]);
});

test("a table that is no prime, a ring whose bounds cross, a hash of nothing are refused", () => {
  const at = "outbound[0].balancer";
  expect(
    parse({
      tableSize: 65_536,
      minRingSize: 10,
      maxRingSize: 9,
      hashPolicies: [{ on: "header" }, { on: "cookie", name: "user" }, { on: "source-ip", name: "x" }],
    }),
  ).toEqual([
    `${at}.minRingSize: must be at most maxRingSize (9), found 10`,
    `${at}.tableSize: must be a prime, found 65536`,
    `${at}.hashPolicies[0].name: must say which header, found ""`,
    `${at}.hashPolicies[2].name: must be empty for source-ip, found "x"`,
  ]);
  expect(parse({ tableSize: 2 })).toMatchObject([{ tableSize: 2 }, {}]);
});
