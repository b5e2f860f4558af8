import { expect, test } from "bun:test";
import { createSeededRandom, type Random } from "../../lib/base/random.ts";
import { createWrittenEntries } from "./written-entries.ts";

/** ATOLL_TEST_SEED replays one round; its failure message names the seed. */
const seeds =
  process.env["ATOLL_TEST_SEED"] === undefined
    ? Array.from({ length: 8 }, (_, i) => 11_001 + i)
    : [Number(process.env["ATOLL_TEST_SEED"])];
const entriesPerRound = 150;

/** Values at and beyond the edge of what a document takes. */
const texts = [
  "",
  "a",
  "/",
  "/a/b",
  "/a?b",
  "/é",
  "a b",
  "(",
  "[a-z]+",
  "x".repeat(5_000),
  "\r\n",
  "%2F",
  "*",
  ".",
  "A-",
];
const fieldNames = ["X-A", "host", "x_forwarded_for", "content-length", "", "a b", "é", "x".repeat(300)];
const services = ["api", "api", "new", "v1.api", "a b", "", "x".repeat(190), "-a"];
const subsets = ["", "", "v1", "v2", "constructor", "V1", "x".repeat(70)];
const durations = ["", "1ms", "0.1ms", "5s", "24h", "25h", "-1s", 1, 86_400_000_000_000, "soon"];

for (const seed of seeds) {
  test(`whatever entries are taken, they come to a document that a proxy takes (seed ${seed})`, async () => {
    const random = createSeededRandom(seed);
    const entries = createWrittenEntries();
    entries.register("api", "10.0.0.1", { Meta: { version: "v1" } });
    await entries.write({ Kind: "proxy-defaults", Config: { protocol: "http" } });
    let taken = 0;
    for (let step = 0; step < entriesPerRound; step++) {
      const entry = randomEntry(random);
      const { status } = await entries.catalog.send("PUT", "/v1/config", entry);
      expect([200, 400]).toContain(status);
      if (status === 200) taken++;
      const result = entries.compute();
      const problems = result.ok ? [] : result.problems;
      expect({ seed, entry: status === 200 ? entry : undefined, problems }).toMatchObject({ problems: [] });
    }
    expect(taken).toBeGreaterThan(5);
  }, 60_000);
}

function randomEntry(random: Random): object {
  const pick = <T>(items: readonly T[]): T => {
    const item = items[Math.floor(random.float() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  };
  /** Nearly always nothing: an entry in which everything is odd is never taken. */
  const rarely = <T>(make: () => T): T | undefined => (random.float() < 0.15 ? make() : undefined);
  const modifiers = () => ({
    Add: { [pick(fieldNames)]: pick(texts) },
    Set: rarely(() => ({ [pick(fieldNames)]: pick(texts) })),
    Remove: rarely(() => [pick(fieldNames)]),
  });
  const changes = () => ({ RequestHeaders: rarely(modifiers), ResponseHeaders: rarely(modifiers) });
  const target = () => ({ Service: rarely(() => pick(services)), ServiceSubset: rarely(() => pick(subsets)) });
  const condition = () => ({ Name: pick(fieldNames), [pick(["Exact", "Prefix", "Suffix", "Regex"])]: pick(texts) });
  const roll = random.float();
  if (roll < 0.15) {
    const limits = () => ({ RequestsPerSecond: pick([0, 1, 1_000_000]), RequestsMaxBurst: pick([0, 0, 1_000_000]) });
    const Upstream = {
      Limits: rarely(() => ({ MaxPendingRequests: pick([0, 2_147_483_647]), MaxConcurrentRequests: pick([0, 1]) })),
      PassiveHealthCheck: rarely(() => ({
        Interval: pick(durations),
        MaxFailures: pick([0, 1, 2_147_483_647]),
        EnforcingConsecutive5xx: pick([0, 100]),
        MaxEjectionPercent: rarely(() => pick([0, 101])),
        BaseEjectionTime: rarely(() => pick(durations)),
      })),
    };
    const Routes = [{ [pick(["PathExact", "PathPrefix", "PathRegex"])]: pick(texts), ...limits() }];
    return {
      Kind: "service-defaults",
      Name: "web",
      Protocol: pick(["", "tcp", "http", "grpc"]),
      UpstreamConfig: { Defaults: Upstream, Overrides: rarely(() => [{ Name: "api", ...Upstream }]) },
      RateLimits: { InstanceLevel: { ...limits(), Routes: rarely(() => Routes) } },
    };
  }
  if (roll < 0.4) {
    const route = () => ({
      Match: {
        HTTP: {
          [pick(["PathExact", "PathPrefix", "PathRegex"])]: pick(texts),
          CaseInsensitive: rarely(() => true),
          Header: rarely(() => [condition()]),
          QueryParam: rarely(() => [{ Name: pick(fieldNames), [pick(["Exact", "Regex"])]: pick(texts) }]),
          Methods: rarely(() => [pick(["GET", "get", "FETCH"])]),
        },
      },
      Destination: {
        ...target(),
        ...changes(),
        PrefixRewrite: rarely(() => pick(texts)),
        RequestTimeout: rarely(() => pick(durations)),
        IdleTimeout: rarely(() => pick(durations)),
        NumRetries: rarely(() => pick([0, 1, 100, 101])),
        RetryOn: rarely(() => [pick(["5xx", "unavailable", "envoy-ratelimited"])]),
        RetryOnStatusCodes: rarely(() => [pick([99, 200, 503, 600])]),
      },
    });
    return { Kind: "service-router", Name: "api", Routes: Array.from({ length: pick([0, 1, 1, 2]) }, route) };
  }
  if (roll < 0.6) {
    const weight = pick([0, 0.01, 33.33, 50, 100]);
    const Splits = [
      { Weight: weight, ...target(), ...changes() },
      { Weight: 100 - weight, ...target(), Service: "new" },
    ];
    return { Kind: "service-splitter", Name: pick(["api", "new", "new"]), Splits };
  }
  const subset = () => ({
    Filter: pick(["", "Service.Meta.version == v1", ...texts]),
    OnlyPassing: random.float() < 0.5,
  });
  const Policy = pick(["", "random", "least_request", "ring_hash", "maglev"]);
  return {
    Kind: "service-resolver",
    Name: pick(["api", "new", "v1.api"]),
    Subsets: { v1: { Filter: "" }, v2: rarely(subset) ?? {}, [rarely(() => pick(subsets)) ?? "v3"]: {} },
    DefaultSubset: rarely(() => pick(subsets)),
    Redirect: rarely(target),
    Failover: rarely(() => ({ [pick(["*", "v1"])]: target() })),
    ConnectTimeout: rarely(() => pick(durations)),
    RequestTimeout: rarely(() => pick(durations)),
    LoadBalancer: rarely(() => ({
      Policy,
      RingHashConfig: rarely(() => ({
        MinimumRingSize: pick([0, 1, 8_388_608]),
        MaximumRingSize: pick([0, 1, 8_388_609]),
      })),
      LeastRequestConfig: rarely(() => ({ ChoiceCount: pick([0, 1, 2, 10, 11]) })),
      HashPolicies: rarely(() => [{ Field: pick(["", "header", "cookie", "tea"]), FieldValue: pick(fieldNames) }]),
    })),
  };
}
