import { describe, expect, test } from "bun:test";
import { mustGet } from "../../../lib/base/assert.ts";
import { createSeededRandom } from "../../../lib/base/random.ts";
import { parseProxyConfig, type ProxyConfig, type ProxyConfigParse } from "../../../lib/contract/proxy-config.ts";
import { ProxyConfigReader } from "../../../lib/contract/proxy-config-reader.ts";

interface Outbound {
  service: string;
  listen: string;
  endpoints: { address: string; weight?: number }[];
}

function documentOf(outbound: unknown, more: object = {}) {
  return {
    identity: { certFile: "a", keyFile: "b", caFile: "c" },
    admin: { listen: "127.0.0.1:19000" },
    inbound: [{ service: "own", listen: "127.0.0.1:1", app: "127.0.0.1:2", intentions: { default: "deny" } }],
    outbound,
    ...more,
  };
}

function upstream(port: number, endpoints: readonly string[]): Outbound {
  return {
    service: `s${port}`,
    listen: `127.0.0.1:${port}`,
    endpoints: endpoints.map((address) => ({ address })),
  };
}

function configOf(parsed: ProxyConfigParse): ProxyConfig {
  return mustGet(parsed.ok ? parsed.config : undefined, parsed.ok ? "" : JSON.stringify(parsed.issues));
}

describe("a document that is read again", () => {
  test("keeps every listener that says the same as the very object that it was", () => {
    const reader = new ProxyConfigReader();
    const before = configOf(reader.read(documentOf([upstream(10, ["10.0.0.1:1"]), upstream(11, [])])));
    const document = documentOf([upstream(11, []), upstream(10, ["10.0.0.1:1", "10.0.0.2:1"])], { workers: 3 });
    const after = configOf(reader.read(document));
    expect(after).toEqual(configOf(parseProxyConfig(document)));
    expect(after.inbound[0]).toBe(before.inbound[0]);
    expect(after.outbound[0]).toBe(before.outbound[1]);
    expect(after.outbound[1]).not.toBe(before.outbound[0]);
  });

  test("after one that was refused still knows the one before", () => {
    const reader = new ProxyConfigReader();
    const before = configOf(reader.read(documentOf([upstream(10, [])])));
    expect(reader.read(documentOf([upstream(10, []), { service: "x" }]))).toEqual(
      parseProxyConfig(documentOf([upstream(10, []), { service: "x" }])),
    );
    expect(configOf(reader.read(documentOf([upstream(10, [])]))).outbound[0]).toBe(before.outbound[0]);
  });

  test("is what it would be if it were the first, whatever came before it, valid or not", () => {
    const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
    const random = createSeededRandom(seed);
    const pick = (count: number): number => Math.floor(random.float() * count);
    const reader = new ProxyConfigReader();
    let valid = 0;
    for (let round = 0; round < 100; round++) {
      const outbound: unknown[] = Array.from({ length: pick(5) }, () =>
        upstream(
          10 + pick(6),
          Array.from({ length: pick(3) }, () => `10.0.0.${pick(3)}:${pick(20) === 0 ? 0 : 1}`),
        ),
      );
      if (pick(20) === 0) outbound.push(null);
      if (pick(20) === 0) outbound.push({ service: "s" });
      const document = documentOf(pick(40) === 0 ? "none" : outbound, pick(40) === 0 ? { unknown: 1 } : {});
      const expected = parseProxyConfig(document);
      if (expected.ok) valid++;
      expect({ seed, round, parsed: reader.read(document) }).toEqual({ seed, round, parsed: expected });
    }
    expect(valid).toBeGreaterThan(10);
    for (const value of [undefined, null, 7, [], "x"]) expect(reader.read(value)).toEqual(parseProxyConfig(value));
  });
});

describe("changes of listeners", () => {
  test("replace these and leave the others the objects that they were", () => {
    const reader = new ProxyConfigReader();
    const before = configOf(reader.read(documentOf([upstream(10, []), upstream(11, []), upstream(12, [])])));
    const changed = upstream(11, ["10.0.0.9:1"]);
    const after = configOf(reader.readChanges([{ side: "outbound", index: 1, value: changed }]));
    expect(after).toEqual(configOf(parseProxyConfig(documentOf([upstream(10, []), changed, upstream(12, [])]))));
    expect(after.outbound[0]).toBe(before.outbound[0]);
    expect(after.outbound[2]).toBe(before.outbound[2]);
    expect(after.inbound).toEqual(before.inbound);
    expect(before.outbound[1]?.endpoints).toEqual([]);
  });

  test("follow one another", () => {
    const reader = new ProxyConfigReader();
    reader.read(documentOf([upstream(10, []), upstream(11, [])]));
    reader.readChanges([{ side: "outbound", index: 0, value: upstream(10, ["10.0.0.1:1"]) }]);
    const after = configOf(
      reader.readChanges([
        { side: "outbound", index: 1, value: upstream(11, ["10.0.0.2:1"]) },
        {
          side: "inbound",
          index: 0,
          value: { service: "own", listen: "127.0.0.1:1", app: "127.0.0.1:3", intentions: { default: "allow" } },
        },
      ]),
    );
    expect(after.outbound.map(({ endpoints }) => endpoints[0]?.address)).toEqual(["10.0.0.1:1", "10.0.0.2:1"]);
    expect(after.inbound[0]?.intentions.default).toBe("allow");
  });

  test.each([
    ["of a listener that is not there", { index: 5, value: upstream(15, []) }, "outbound[5]"],
    ["that are no listener", { index: 0, value: { service: "x" } }, "outbound[0].listen"],
    ["to another listener's address", { index: 0, value: upstream(11, []) }, "outbound[1].listen"],
  ])("%s are refused, and nothing has changed", (_what, change, path) => {
    const reader = new ProxyConfigReader();
    const before = configOf(reader.read(documentOf([upstream(10, []), upstream(11, [])])));
    const refused = reader.readChanges([{ side: "outbound", ...change }]);
    expect(refused.ok ? [] : refused.issues.map((issue) => issue.path)).toEqual([path]);
    expect(configOf(reader.readChanges([]))).toEqual(before);
  });

  test("before there is a document are refused", () => {
    expect(new ProxyConfigReader().readChanges([]).ok).toBe(false);
  });
});
