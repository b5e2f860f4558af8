import { expect, test } from "bun:test";
import { RouteTable } from "../../../proxy/routing/route-table.ts";
import { parseRoutes, request } from "./requests.ts";

function tableOf(count: number, matchOf: (i: number) => unknown): RouteTable {
  const routes = parseRoutes(Array.from({ length: count }, (_, i) => ({ match: matchOf(i) })));
  return new RouteTable(routes.map(({ match }) => match));
}

function examinedFor(table: RouteTable, authority: string, path: string): readonly [found: number, examined: number] {
  const before = table.examined;
  return [table.find(request(path, { authority })), table.examined - before];
}

test.each([10, 1_000, 10_000])("of %d hosts, wildcards among them, those of one request are looked at", (count) => {
  const table = tableOf(count, (i) => ({ hosts: [i % 2 === 0 ? `web-${i}.example` : `*.zone-${i}.example`] }));
  expect(examinedFor(table, `web-${count - 2}.example`, "/")).toEqual([count - 2, 1]);
  expect(examinedFor(table, `a.zone-${count - 1}.example`, "/")).toEqual([count - 1, 1]);
  expect(examinedFor(table, "nobody.example", "/")).toEqual([-1, 0]);
});

test.each([10, 1_000, 10_000])(
  "of %d exact paths that of one request is looked at, and what stands before it",
  (count) => {
    const table = tableOf(count, (i) => ({
      path: i === 3 ? { type: "prefix", value: "/never" } : { type: "exact", value: `/${i}`, ignoreCase: i % 3 === 0 },
    }));
    expect(examinedFor(table, "any", "/2")).toEqual([2, 1]);
    expect(examinedFor(table, "any", `/${count - 1}`)).toEqual([count - 1, 2]);
    expect(examinedFor(table, "any", "/none")).toEqual([-1, 1]);
  },
);

test("a route with many hosts is looked at once", () => {
  const hosts = ["web.example", "WEB.example", "*.example", "*", "web.example:80"];
  const table = tableOf(2, (i) => (i === 0 ? { hosts, methods: ["POST"] } : {}));
  expect(examinedFor(table, "web.example:80", "/")).toEqual([1, 2]);
});
