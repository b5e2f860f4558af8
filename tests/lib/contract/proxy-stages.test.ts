import { describe, expect, test } from "bun:test";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";

const smallest = { identity: { certFile: "a", keyFile: "b", caFile: "c" }, admin: { listen: "127.0.0.1:19000" } };

const web = {
  service: "web",
  listen: "127.0.0.1:20000",
  app: "127.0.0.1:80",
  protocol: "http",
  intentions: { default: "allow" },
};

function parse(outbound: object, inbound: object = {}) {
  return parseProxyConfig({
    ...smallest,
    inbound: [{ ...web, ...inbound }],
    outbound: [
      { service: "api", listen: "127.0.0.1:15001", protocol: "http", clusters: [{ name: "v2" }], ...outbound },
    ],
  });
}

function issues(outbound: object, inbound: object = {}): readonly string[] {
  const parsed = parse(outbound, inbound);
  return parsed.ok ? [] : parsed.issues.map(({ path, message }) => `${path}: ${message}`);
}

const forward = (more: object): object => ({ routes: [{ forward: { targets: [{}], ...more } }] });

describe("faults, mirrors and hedges", () => {
  test("are not there unless they are asked for, and have every default written out when they are", () => {
    const none = parse({});
    expect(none.ok && none.config.outbound[0]).toMatchObject({ mirrors: [] });
    expect(none.ok && "fault" in (none.config.outbound[0] ?? {})).toBe(false);
    expect(none.ok && "hedge" in (none.config.outbound[0] ?? {})).toBe(false);
    const some = parse({
      fault: { delay: { fixedDelayMs: 5, percent: 1 }, headerControl: {} },
      mirrors: [{ cluster: "v2" }],
      hedge: { delayMs: 50 },
    });
    expect(some.ok && some.config.outbound[0]).toMatchObject({
      fault: {
        headers: [],
        maxActive: 1_000_000_000,
        headerControl: { maxDelayMs: 0, allowsAbort: false, minLimitKbps: 0, maxPercent: 100 },
      },
      mirrors: [
        {
          cluster: "v2",
          percent: 100,
          disableShadowHostSuffixAppend: false,
          timeoutMs: 15_000,
          maxConcurrent: 256,
        },
      ],
      hedge: { delayMs: 50, maxAttempts: 2, methods: ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"] },
    });
    expect(issues({}, { fault: { abort: { grpcStatus: 14, percent: 0.1 }, ttlMs: 1 } })).toEqual([]);
  });

  test("of a route are its own alone", () => {
    expect(issues(forward({ fault: {}, mirrors: [{ cluster: "api" }], hedge: { delayMs: 1 } }))).toEqual([]);
    const parsed = parse(forward({}));
    const route = parsed.ok ? parsed.config.outbound[0]?.routes[0] : undefined;
    expect(Object.keys(route?.forward ?? {})).toEqual(["targets"]);
  });
});

describe("what cannot be done is refused, and named:", () => {
  test.each([
    ["an abort without a status", { abort: { percent: 1 } }, "abort: must have either httpStatus or grpcStatus"],
    [
      "an abort with two",
      { abort: { percent: 1, httpStatus: 500, grpcStatus: 13 } },
      "abort: must have either httpStatus or grpcStatus",
    ],
    [
      "a moment that is none",
      { expiresAt: "tomorrow" },
      'expiresAt: must be a moment of RFC 3339 such as 2026-01-31T12:00:00Z, found "tomorrow"',
    ],
    [
      "a moment without a zone",
      { expiresAt: "2026-01-31T12:00:00" },
      'expiresAt: must be a moment of RFC 3339 such as 2026-01-31T12:00:00Z, found "2026-01-31T12:00:00"',
    ],
    [
      "a moment that no calendar has",
      { expiresAt: "2026-13-31T12:00:00Z" },
      'expiresAt: must be a moment of RFC 3339 such as 2026-01-31T12:00:00Z, found "2026-13-31T12:00:00Z"',
    ],
    [
      "an expression that is none",
      { headers: [{ name: "x", type: "regex", value: "(" }] },
      /^headers\[0\]\.value: must be a regular expression/,
    ],
  ] as const)("%s", (_what, fault, expected) => {
    for (const [path, outbound, inbound] of [
      ["outbound[0].fault.", { fault }, {}],
      ["outbound[0].routes[0].forward.fault.", forward({ fault }), {}],
      ["inbound[0].fault.", {}, { fault }],
    ] as const) {
      const [issue = "", ...others] = issues(outbound, inbound);
      expect(others).toEqual([]);
      expect(issue.startsWith(path)).toBe(true);
      if (typeof expected === "string") expect(issue.slice(path.length)).toBe(expected);
      else expect(issue.slice(path.length)).toMatch(expected);
    }
  });

  test("shares without a number, or beyond a hundred", () => {
    expect(issues({ fault: { delay: { fixedDelayMs: 1 } } }).join()).toContain("percent");
    expect(issues({ mirrors: [{ cluster: "v2", percent: 100.1 }] }).join()).toContain("percent");
  });

  test("a mirror for a cluster that there is not", () => {
    const mirrors = [{ cluster: "v2" }, { cluster: "v3" }];
    expect(issues({ mirrors })).toEqual([
      'outbound[0].mirrors[1].cluster: must be a cluster of this outbound, found "v3"',
    ]);
    expect(issues(forward({ mirrors }))).toEqual([
      'outbound[0].routes[0].forward.mirrors[1].cluster: must be a cluster of this outbound, found "v3"',
    ]);
  });

  test("any of them where there are no requests", () => {
    const needs = "needs protocol http, http2 or grpc: there are no requests in tcp";
    const fault = { delay: { fixedDelayMs: 1, percent: 1 } };
    const tcp = { protocol: "tcp", fault, mirrors: [{ cluster: "v2" }], hedge: { delayMs: 1 } };
    expect(issues(tcp, { protocol: "tcp", fault })).toEqual([
      `inbound[0].fault: ${needs}`,
      `outbound[0].fault: ${needs}`,
      `outbound[0].mirrors: ${needs}`,
      `outbound[0].hedge: ${needs}`,
    ]);
  });
});
