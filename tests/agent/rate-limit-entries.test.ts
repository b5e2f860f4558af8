import { expect, test } from "bun:test";
import { listSettings, sourcesByPath } from "../../lib/contract/setting-sources.ts";
import type { PathMatch } from "../../lib/contract/proxy-match.ts";
import { defaultInboundRateLimit } from "../../lib/contract/proxy-rate-limit.ts";
import { createWrittenEntries } from "./written-entries.ts";

const entry = (InstanceLevel: object, Protocol = "http") => ({
  Kind: "service-defaults",
  Name: "web",
  Protocol,
  RateLimits: { InstanceLevel },
});
const path = (type: PathMatch["type"], value: string): PathMatch => ({ type, value, ignoreCase: false });

test("RateLimits of a service are the limits of its listener, routes are rules in their order", async () => {
  const entries = createWrittenEntries();
  expect(entries.document().config.inbound[0]?.rateLimit).toEqual(defaultInboundRateLimit);
  const InstanceLevel = {
    RequestsPerSecond: 200,
    RequestsMaxBurst: 400,
    Routes: [
      { PathExact: "/health" },
      { PathPrefix: "/reports", RequestsPerSecond: 5 },
      { PathRegex: "/x/[0-9]+", RequestsPerSecond: 6, RequestsMaxBurst: 7 },
    ],
  };
  await entries.write(entry(InstanceLevel));
  const { config, authors } = entries.document();
  expect(config.inbound[0]?.rateLimit).toEqual({
    ...defaultInboundRateLimit,
    requestsPerSecond: 200,
    burst: 400,
    rules: [
      { path: path("exact", "/health"), headers: [], methods: [], requestsPerSecond: 0, burst: 0 },
      { path: path("prefix", "/reports"), headers: [], methods: [], requestsPerSecond: 5, burst: 5 },
      { path: path("regex", "/x/[0-9]+"), headers: [], methods: [], requestsPerSecond: 6, burst: 7 },
    ],
  });
  const settings = listSettings(config, sourcesByPath(authors));
  const sourceOf = (at: string) => settings.find((one) => one.path === `inbound[0].rateLimit.${at}`)?.source;
  const author = "service-defaults of web: RateLimits.InstanceLevel";
  expect(sourceOf("requestsPerSecond")).toBe(`${author}.RequestsPerSecond`);
  expect(sourceOf("rules[1].path.value")).toBe(`${author}.Routes[1]`);
  expect(sourceOf("rules[2].burst")).toBe(`${author}.Routes[2].RequestsMaxBurst`);
  expect(sourceOf("rules[1].burst")).toBe("default");
  expect((await entries.catalog.get("/v1/config/service-defaults/web")).json).toMatchObject({
    RateLimits: { InstanceLevel },
  });
});

test("RateLimits that say nothing are none", async () => {
  const entries = createWrittenEntries();
  await entries.write(entry({ RequestsPerSecond: 0, Routes: null }));
  expect(entries.document().config.inbound[0]?.rateLimit).toEqual(defaultInboundRateLimit);
});

test("RateLimits of a service of tcp are not used, which is said", async () => {
  const entries = createWrittenEntries();
  await entries.write(entry({ RequestsPerSecond: 5 }, "tcp"));
  const { config, problems } = entries.document();
  expect(config.inbound[0]?.rateLimit).toEqual(defaultInboundRateLimit);
  expect(problems).toEqual([
    'RateLimits of service-defaults: the protocol is "tcp", which has no requests to count: not used',
  ]);
});

test.each([
  [{ RequestsMaxBurst: 5 }, "RateLimits.InstanceLevel.RequestsPerSecond is required beside RequestsMaxBurst"],
  [{ RequestsPerSecond: -1 }, "RateLimits.InstanceLevel.RequestsPerSecond"],
  [{ RequestsPerSecond: 1_000_001 }, "RateLimits.InstanceLevel.RequestsPerSecond"],
  [{ Routes: [{ RequestsPerSecond: 5 }] }, "RateLimits.InstanceLevel.Routes[0] must have exactly one of PathExact"],
  [{ Routes: [{ PathExact: "/a", PathPrefix: "/b", RequestsPerSecond: 5 }] }, "Routes[0] must have exactly one of"],
  [{ Routes: [{ PathPrefix: "a", RequestsPerSecond: 5 }] }, 'Routes[0].PathPrefix must begin with "/", found "a"'],
  [{ Routes: [{ PathRegex: "(", RequestsPerSecond: 5 }] }, "Routes[0].PathRegex is not a valid regex"],
  [{ Routes: [{ PathExact: `/${"x".repeat(4_096)}` }] }, "Routes[0].PathExact has more than 4096 characters"],
  [{ Routes: [{ PathExact: "/a", RequestsMaxBurst: 5 }] }, "Routes[0].RequestsPerSecond is required"],
])("RateLimits %j are refused by name", async (InstanceLevel, message) => {
  expect(await createWrittenEntries().refusal(entry(InstanceLevel))).toContain(message);
});
