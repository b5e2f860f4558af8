import { expect, test } from "bun:test";
import type { Random } from "../../../lib/base/random.ts";
import { createSeededRandom } from "../../../lib/base/random.ts";
import type { Route } from "../../../lib/contract/proxy-routes.ts";
import type { RequestHead } from "../../../proxy/message/request-head.ts";
import { RouteTable } from "../../../proxy/routing/route-table.ts";
import { testSeed, withSeed } from "../http2/test-seed.ts";
import { parseRoutes, request } from "./requests.ts";

/** Few words, so that requests meet routes, near misses among them. */
const labels = ["a", "b", "web", "xn--a"];
const segments = ["a", "A", "ab", "b", ""];
const contentTypes = ["application/grpc", "application/grpc-web+proto", "text/plain"];

test("routes that are filed by host and path decide as a reader does who goes through all of them in order", () => {
  const seed = testSeed();
  withSeed(seed, () => {
    const random = createSeededRandom(Number(seed));
    const found = { some: 0, none: 0 };
    for (let round = 0; round < 300; round++) checkRoutes(random, found);
    // Both answers are common, so that neither can hide a mistake.
    expect(Math.min(found.some, found.none)).toBeGreaterThan(1_000);
  });
});

function checkRoutes(random: Random, found: { some: number; none: number }): void {
  const routes = parseRoutes(listOf(1 + below(random, 12), () => ({ match: randomMatch(random) })));
  const table = new RouteTable(routes.map(({ match }) => match));
  for (let i = 0; i < 40; i++) {
    const head = randomRequest(random);
    const expected = routes.findIndex((route) => naiveMatch(route, head));
    const given = table.find(head);
    if (given !== expected) {
      throw new Error(`${given} instead of ${expected}: ${JSON.stringify([routes, head.block.fields], null, 1)}`);
    }
    if (given < 0) found.none++;
    else found.some++;
  }
}

function randomMatch(random: Random): unknown {
  const kind = below(random, 4);
  return {
    hosts: listOf(below(random, 4), () => randomPattern(random)),
    ...(kind === 0 ? { grpc: randomGrpc(random) } : {}),
    ...(kind === 1 || kind === 2 ? { path: randomPath(random) } : {}),
    headers: listOf(maybe(random, 0.2), () => ({ name: "X-V", type: "exact", value: pick(random, ["1", "2"]) })),
    query: listOf(maybe(random, 0.2), () => ({ name: "q", type: "present" })),
    methods: listOf(maybe(random, 0.2), () => pick(random, ["GET", "POST"])),
  };
}

function randomPattern(random: Random): string {
  if (random.float() < 0.1) return pick(random, ["*", "*:80", "[::1]", "[::1]:80"]);
  return `${random.float() < 0.4 ? "*." : ""}${randomHost(random)}${random.float() < 0.2 ? ":80" : ""}`;
}

function randomHost(random: Random): string {
  return listOf(1 + below(random, 3), () => withCase(random, pick(random, labels))).join(".");
}

function randomPath(random: Random): unknown {
  const type = pick(random, ["exact", "exact", "prefix", "path-prefix", "regex"]);
  const value = `/${listOf(below(random, 3), () => pick(random, segments)).join("/")}`;
  return { type, value: type === "regex" ? `${value}.?` : value, ignoreCase: random.float() < 0.3 };
}

function randomGrpc(random: Random): unknown {
  return {
    ...(random.float() < 0.6 ? { service: pick(random, ["a", "ab", "A"]) } : {}),
    ...(random.float() < 0.6 ? { method: pick(random, ["a", "b"]) } : {}),
  };
}

function randomRequest(random: Random): RequestHead {
  const host = random.float() < 0.05 ? pick(random, ["[::1]", "a:80:81", "."]) : randomHost(random);
  const authority = `${host}${random.float() < 0.3 ? pick(random, [":80", ":81"]) : ""}`;
  const path = `/${listOf(below(random, 4), () => pick(random, segments)).join("/")}`;
  const fields = [
    ...(random.float() < 0.5 ? ["content-type", pick(random, contentTypes)] : []),
    ...(random.float() < 0.5 ? ["x-v", pick(random, ["1", "2"])] : []),
  ];
  const query = random.float() < 0.4 ? pick(random, ["?q", "?q=/a/b", "?r=1"]) : "";
  return request(path + query, { authority, method: pick(random, ["GET", "POST"]), fields });
}

/** The definition, as plainly as it can be said. */
function naiveMatch({ match }: Route, head: RequestHead): boolean {
  const [path = ""] = head.path.split("?");
  if (match.hosts.length > 0 && !match.hosts.some((pattern) => naiveHost(pattern, head.authority))) return false;
  if (match.path !== undefined && !naivePath(match.path, path)) return false;
  if (match.grpc !== undefined) {
    const { service = "[^/]*", method = "[^/]*" } = match.grpc;
    const isAny = match.grpc.service === undefined && match.grpc.method === undefined;
    if (head.grpc === "" || (!isAny && !new RegExp(`^/${service}/${method}$`).test(path))) return false;
  }
  if (match.methods.length > 0 && !match.methods.includes(head.method)) return false;
  if (match.query.length > 0 && !/[?&]q(=|&|$)/.test(head.path)) return false;
  return match.headers.every(({ value }) => head.block.get("x-v") === value);
}

function naiveHost(pattern: string, authority: string): boolean {
  const wanted = /^(.*?)(:\d+)?$/.exec(pattern.toLowerCase());
  const found = /^(\[[^\]]*\]|[^:]*)(:\d+)?$/.exec(authority.toLowerCase()) ?? ["", authority, undefined];
  if (wanted?.[2] !== undefined && wanted[2] !== found[2]) return false;
  const host = wanted?.[1] ?? "";
  if (host === "*") return true;
  if (!host.startsWith("*.")) return host === found[1];
  const rest = found[1]?.endsWith(host.slice(1)) === true ? found[1].slice(0, -(host.length - 1)) : "";
  return rest !== "";
}

function naivePath({ type, value, ignoreCase }: NonNullable<Route["match"]["path"]>, given: string): boolean {
  const path = ignoreCase ? given.toLowerCase() : given;
  const wanted = ignoreCase ? value.toLowerCase() : value;
  switch (type) {
    case "exact":
      return path === wanted;
    case "prefix":
      return path.startsWith(wanted);
    case "path-prefix":
      return `${path}/`.startsWith(wanted.endsWith("/") ? wanted : `${wanted}/`);
    case "regex":
      return new RegExp(`^${wanted}$`).test(path);
  }
}

function withCase(random: Random, text: string): string {
  return random.float() < 0.2 ? text.toUpperCase() : text;
}

function below(random: Random, limit: number): number {
  return Math.floor(random.float() * limit);
}

function maybe(random: Random, chance: number): number {
  return random.float() < chance ? 1 : 0;
}

function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[below(random, values.length)];
  if (value === undefined) throw new Error("nothing to pick from");
  return value;
}

function listOf<T>(length: number, make: () => T): T[] {
  return Array.from({ length }, make);
}
