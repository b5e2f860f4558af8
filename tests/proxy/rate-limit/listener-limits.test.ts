import { describe, expect, test } from "bun:test";
import type { RequestHead } from "../../../proxy/message/request-head.ts";
import { ListenerLimits } from "../../../proxy/rate-limit/listener-limits.ts";
import { RequestLimits } from "../../../proxy/rate-limit/request-limits.ts";
import { TokenBucket } from "../../../proxy/rate-limit/token-bucket.ts";
import { RateLimitCounters } from "../../../proxy/telemetry/rate-limit-counters.ts";
import { request } from "../routing/requests.ts";
import { inbound, LimitsWorld, outbound, uri } from "./limits-world.ts";

const perSecond = (requestsPerSecond: number, more: object = {}) => ({ requestsPerSecond, ...more });
const path = (type: string, value: string) => ({ path: { type, value } });

describe("a listener's limit", () => {
  test("lets its burst through, then its rate", () => {
    const world = new LimitsWorld(perSecond(10, { burst: 4 }));
    expect(world.ask(100)).toBe(4);
    world.nowMs += 250;
    expect(world.ask(100)).toBe(2);
    world.nowMs += 60_000;
    expect(world.ask(100)).toBe(4);
    expect(world.limits.counts).toMatchObject({ allowed: { listener: 10 }, limited: { listener: 290 } });
  });

  test("does not exist, nor cost a look at a bucket, where nothing is said", () => {
    const world = new LimitsWorld({});
    expect([world.limits.requests, world.limits.isOn, world.limits.takeConnection()]).toEqual([undefined, false, true]);
    expect(world.limits.counts.allowed.connection).toBe(0);
  });

  test("that is only tried out counts what it would refuse, and as many as it would", () => {
    const world = new LimitsWorld(perSecond(10, { enforce: false, connections: { perSecond: 1 } }));
    world.ask(15);
    world.limits.takeConnection();
    expect(world.limits.takeConnection()).toBe(true);
    expect(world.limits.counts).toMatchObject({
      allowed: { listener: 10, connection: 1 },
      limited: { listener: 0, connection: 0 },
      shadow: { listener: 5, connection: 1 },
    });
  });

  test("is divided among the processes that share the listener", () => {
    const world = new LimitsWorld(perSecond(10, { burst: 8 }), 4);
    expect(world.ask(100)).toBe(2);
    world.nowMs += 1_000;
    expect(world.ask(100)).toBe(2);
    world.nowMs += 400;
    expect(world.ask(100)).toBe(1);
    // The smallest bucket there is.
    expect(new LimitsWorld(perSecond(1), 4).ask(100)).toBe(1);
  });
});

describe("a rule", () => {
  const rules = [
    { ...path("path-prefix", "/reports"), methods: ["POST"], ...perSecond(1) },
    { ...path("path-prefix", "/reports"), ...perSecond(5) },
    { ...path("exact", "/health"), ...perSecond(0) },
  ];

  test("counts what it is the first for, in the place of the listener's limit", () => {
    const world = new LimitsWorld(perSecond(20, { rules }));
    expect(world.ask(50, "/reports/1", { method: "POST" })).toBe(1);
    expect(world.ask(50, "/reports/1")).toBe(5);
    expect(world.ask(50, "/health")).toBe(50);
    expect(world.ask(50, "/other")).toBe(20);
    expect(world.ask(50, "/health")).toBe(50);
    expect(world.limits.counts.limited).toEqual({ listener: 30, route: 94, identity: 0, connection: 0 });
  });

  test("stands beside the listener's limit where that counts all", () => {
    const world = new LimitsWorld(perSecond(6, { countsAll: true, rules }));
    expect(world.ask(50, "/reports/1")).toBe(5);
    expect(world.ask(50, "/health")).toBe(1);
    expect(world.ask(50, "/reports/1", { method: "POST" })).toBe(0);
  });

  test("that refuses a request takes nothing of the other limits", () => {
    const world = new LimitsWorld(perSecond(6, { countsAll: true, rules, perIdentity: perSecond(100) }));
    expect(world.ask(50, "/reports/1", { method: "POST" })).toBe(1);
    expect(world.ask(50, "/other")).toBe(5);
    // And what the listener refuses takes nothing of the rule's.
    expect(world.ask(50, "/reports/1")).toBe(0);
    world.nowMs += 1_000;
    expect(world.ask(50, "/reports/1")).toBe(5);
    expect(world.limits.counts.allowed.identity).toBe(11);
  });

  test("cannot be got around by another spelling of the path, whichever rule is first", () => {
    const open = { ...path("path-prefix", "/open"), ...perSecond(0) };
    const slow = { ...path("path-prefix", "/slow"), ...perSecond(1) };
    const spellings = [
      "/slow",
      "/%73low",
      "/open/..%2fslow",
      "/open/%2e%2e/slow",
      "//slow",
      "/open/..;/slow",
      "/slow;/open",
      "/slow%2fx",
      "/x/..%5cslow",
      "/%2573low",
    ];
    for (const ordered of [
      [open, slow],
      [slow, open],
    ]) {
      for (const spelling of spellings) {
        const world = new LimitsWorld(perSecond(1_000, { rules: ordered }));
        expect(world.ask(20, spelling)).toBe(1);
        expect(world.ask(1, "/slow")).toBe(0);
        expect(world.ask(20, "/open")).toBe(20);
      }
    }
  });

  test("that makes an exception has to be met by every reading", () => {
    const rules = [{ ...path("path-prefix", "/open"), ...perSecond(0) }];
    const world = new LimitsWorld(perSecond(2, { rules }));
    expect(world.ask(20, "/open/a")).toBe(20);
    expect(world.ask(20, "/open/..%2fslow")).toBe(2);
  });

  test("cannot be got around by a second line of a field", () => {
    const rules = [
      { headers: [{ name: "x-tier", type: "exact", value: "gold" }], ...perSecond(50) },
      { headers: [{ name: "x-batch", type: "exact", value: "yes" }], ...perSecond(1) },
    ];
    const world = new LimitsWorld(perSecond(10, { rules }));
    const gold = ["x-tier", "gold"];
    expect(world.ask(90, "/", { fields: gold })).toBe(50);
    expect(world.ask(90, "/", { fields: ["x-batch", "no", "x-batch", "yes"] })).toBe(1);
    expect(world.ask(90)).toBe(9);
  });

  test("counts a request once that meets it twice", () => {
    const rule = { ...path("prefix", "/a"), ...perSecond(4) };
    const world = new LimitsWorld({ rules: [rule, rule] });
    expect(world.ask(9, "/a/%2e")).toBe(4);
  });
});

test("a head that repeats meets the same rules and is compared once, by each set of limits", () => {
  const bucket = (burst: number) => new TokenBucket({ perSecond: 1, burst }, 0);
  const limitsOf = (burst: number) => {
    const compared = { count: 0 };
    const mayMatch = ({ path }: RequestHead): boolean => {
      compared.count++;
      return path.startsWith("/a");
    };
    const rules = [{ mayMatch, mustMatch: ({ path }: RequestHead) => path === "/a", bucket: bucket(burst) }];
    const counts = new RateLimitCounters();
    const options = { counts, isEnforced: true, listener: bucket(9), countsAll: false, routes: new Map() };
    const limits = new RequestLimits({ ...options, rules, identities: undefined, overrides: [] });
    const ask = (head: RequestHead): number =>
      Array.from({ length: 20 }, () => limits.take(head, "", undefined, 0)).filter(Boolean).length;
    return { ask, compared };
  };
  const [sure, unsure, other] = ["/a", "/ab", "/b"].map((path) => request(path, { isShared: true }));
  for (const burst of [3, 5]) {
    const { ask, compared } = limitsOf(burst);
    if (sure === undefined || unsure === undefined || other === undefined) throw new Error("three heads");
    expect([ask(sure), ask(unsure), ask(other)]).toEqual([burst, 0, 9]);
    expect(compared.count).toBe(3);
    const { ask: askUnsure } = limitsOf(burst);
    expect([askUnsure(unsure), askUnsure(sure), askUnsure(other)]).toEqual([burst, 0, 9 - burst]);
    // One that does not repeat is compared every time, and nothing is kept.
    expect([ask(request("/a")), compared.count]).toEqual([0, 23]);
  }
});

describe("a limit for each caller", () => {
  test("is its own, whatever the others do", () => {
    const world = new LimitsWorld({ perIdentity: perSecond(3) });
    expect(world.ask(10, "/", { caller: "web" })).toBe(3);
    expect(world.ask(10, "/", { caller: "batch" })).toBe(3);
    world.nowMs += 1_000;
    expect(world.ask(10, "/", { caller: "web" })).toBe(3);
  });

  test("stands beside the listener's, and uses nothing up of that when it refuses", () => {
    const world = new LimitsWorld(perSecond(5, { perIdentity: perSecond(3) }));
    expect(world.ask(100, "/", { caller: "web" })).toBe(3);
    expect(world.ask(100, "/", { caller: "batch" })).toBe(2);
    expect(world.limits.counts.limited).toMatchObject({ identity: 97, listener: 98 });
  });

  test("is another one for those that an override names, who share it; 0 is none", () => {
    const overrides = [
      { source: "spiffe://*/ns/default/dc/*/svc/batch", ...perSecond(7) },
      { source: uri("monitor"), ...perSecond(0) },
      { source: "spiffe://*/ns/default/dc/*/svc/*", ...perSecond(2) },
    ];
    const world = new LimitsWorld({ perIdentity: perSecond(100, { overrides }) });
    expect(world.ask(10, "/", { caller: "batch" })).toBe(7);
    expect(world.ask(10, "/", { caller: "monitor" })).toBe(10);
    expect([world.ask(10, "/", { caller: "a" }), world.ask(10, "/", { caller: "b" })]).toEqual([2, 0]);
    expect(new LimitsWorld({ perIdentity: { overrides } }).ask(10, "/", { caller: "batch" })).toBe(7);
  });

  test("is kept for so many callers, and those beyond share one", () => {
    const world = new LimitsWorld({ perIdentity: perSecond(2, { maxIdentities: 3 }) });
    const ask = (caller: string): number => world.ask(5, "/", { caller });
    expect([ask("a"), ask("b"), ask("c")]).toEqual([2, 2, 2]);
    expect([ask("d"), ask("e")]).toEqual([2, 0]);
    expect(world.limits.requests?.identities).toBe(3);
    // Half rested is not forgotten, or a caller could begin anew by making room for itself.
    world.nowMs += 500;
    expect([ask("f"), ask("a")]).toEqual([1, 1]);
    world.nowMs += 1_000;
    expect([ask("g"), ask("h"), ask("i")]).toEqual([2, 2, 2]);
    expect(ask("b")).toBe(2);
    expect(world.limits.requests?.identities).toBe(3);
  });

  test("makes room among many in few steps", () => {
    const world = new LimitsWorld({ perIdentity: perSecond(1, { burst: 1, maxIdentities: 1_000 }) });
    for (let i = 0; i < 1_000; i++) world.ask(1, "/", { caller: `old-${i}` });
    world.nowMs += 1_000;
    // The first 500 of the row are in use again: eight of them are looked at for each newcomer, and go to its end.
    for (let i = 0; i < 500; i++) world.ask(1, "/", { caller: `old-${i}` });
    let own = 0;
    for (let i = 0; i < 200; i++) own += world.ask(2, "/", { caller: `new-${i}` });
    expect(own).toBeGreaterThan(100);
    expect(world.limits.requests?.identities).toBe(1_000);
  });
});

describe("new settings", () => {
  test("leave a limit that stays as it is", () => {
    const rules = [{ ...path("exact", "/a"), ...perSecond(3) }];
    const before = perSecond(5, { rules, perIdentity: perSecond(9), connections: { perSecond: 1 } });
    const world = new LimitsWorld(before);
    expect([world.ask(10), world.ask(10, "/a"), world.limits.takeConnection()]).toEqual([5, 3, true]);
    world.update({ ...before, rules: [{ ...path("exact", "/b"), ...perSecond(1) }, ...rules], fields: "ratelimit" });
    expect([world.ask(10), world.ask(10, "/a"), world.ask(10, "/b"), world.limits.takeConnection()]).toEqual([
      0,
      0,
      1,
      false,
    ]);
    expect(world.limits.counts.limited.identity).toBe(9);
    world.update({ ...before, requestsPerSecond: 6 });
    expect([world.ask(10), world.ask(10, "/a")]).toEqual([0, 0]);
    world.nowMs += 1_000;
    world.update({});
    expect(world.limits.requests).toBeUndefined();
  });

  test("of a route go by its name, and stand in the place of the listener's", () => {
    let nowMs = 0;
    const of = (routes: object[]) => outbound(perSecond(2), routes);
    const first = of([
      { name: "slow", rateLimit: perSecond(1) },
      { name: "open", rateLimit: perSecond(0) },
    ]);
    const limits = new ListenerLimits({ monotonicMs: () => nowMs, processes: 1 }, first.rateLimit, first.routes);
    const ask = (route: string): number => {
      let passed = 0;
      for (let i = 0; i < 9; i++) if (limits.requests?.take(request("/"), route, undefined, nowMs)) passed++;
      return passed;
    };
    expect([ask("slow"), ask("open"), ask("other"), ask("")]).toEqual([1, 9, 2, 0]);
    const next = of([
      { name: "new", rateLimit: perSecond(4) },
      { name: "slow", rateLimit: perSecond(1) },
    ]);
    limits.update(next.rateLimit, next.routes);
    expect([ask("slow"), ask("new"), ask("other")]).toEqual([0, 4, 0]);
    nowMs += 1_000;
    expect(ask("slow")).toBe(1);
  });
});

test("connections have a rate of their own", () => {
  const world = new LimitsWorld({ connections: { perSecond: 2, burst: 3 } });
  const take = (): number => Array.from({ length: 9 }, () => world.limits.takeConnection()).filter(Boolean).length;
  expect(take()).toBe(3);
  world.nowMs += 500;
  expect(take()).toBe(1);
  expect(world.limits.counts).toMatchObject({ allowed: { connection: 4 }, limited: { connection: 14 } });
  expect(inbound({}).rateLimit.connections).toEqual({ perSecond: 0, burst: 0 });
});
