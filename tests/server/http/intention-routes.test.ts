import { expect, test } from "bun:test";
import { createTestCatalog } from "./test-catalog.ts";
import type { TestCatalog } from "./test-catalog.ts";

const exact = (source: string, destination: string): string =>
  `/v1/connect/intentions/exact?source=${encodeURIComponent(source)}&destination=${encodeURIComponent(destination)}`;

async function allowed(catalog: TestCatalog, source: string, destination: string): Promise<unknown> {
  return (await catalog.get(`/v1/connect/intentions/check?source=${source}&destination=${destination}`)).json;
}

test("an intention is upserted, read back, listed and deleted by its pair of names", async () => {
  const catalog = createTestCatalog();
  expect(await catalog.send("PUT", exact("web", "db"), { Action: "allow", Description: "d" })).toMatchObject({
    status: 200,
    body: "true",
  });
  const stored = {
    Description: "d",
    SourceNS: "default",
    SourceName: "web",
    DestinationNS: "default",
    DestinationName: "db",
    SourceType: "consul",
    Action: "allow",
    Precedence: 9,
    CreateIndex: 11,
    ModifyIndex: 11,
  };
  expect((await catalog.get(exact("web", "db"))).json).toEqual(stored);
  expect((await catalog.get("/v1/connect/intentions")).json).toEqual([stored]);
  await catalog.send("PUT", exact("web", "db"), { Action: "deny" });
  expect((await catalog.get(exact("web", "db"))).json).toMatchObject({
    Action: "deny",
    CreateIndex: 11,
    ModifyIndex: 12,
  });
  expect(await catalog.send("DELETE", exact("web", "db"))).toMatchObject({ status: 200, body: "true" });
  expect(await catalog.get(exact("web", "db"))).toMatchObject({ status: 404, body: "Intention not found" });
  expect((await catalog.get("/v1/config/service-intentions")).json).toEqual([]);
  expect(await catalog.send("DELETE", exact("web", "db"))).toMatchObject({ status: 200 });
});

test("the exact pair decides before the wildcards, and without a rule all is allowed while ACLs are off", async () => {
  const catalog = createTestCatalog();
  expect(await allowed(catalog, "web", "db")).toEqual({ Allowed: true });
  await catalog.send("PUT", exact("*", "*"), { Action: "deny" });
  expect(await allowed(catalog, "web", "db")).toEqual({ Allowed: false });
  await catalog.send("PUT", exact("*", "db"), { Action: "allow" });
  expect(await allowed(catalog, "web", "db")).toEqual({ Allowed: true });
  await catalog.send("PUT", exact("web", "db"), { Action: "deny" });
  expect(await allowed(catalog, "web", "db")).toEqual({ Allowed: false });
  expect(await allowed(catalog, "api", "db")).toEqual({ Allowed: true });
  expect(await allowed(catalog, "default/api", "default/db")).toEqual({ Allowed: true });
});

test("matching lists the rules for each name by precedence", async () => {
  const catalog = createTestCatalog();
  for (const [source, destination] of [
    ["*", "*"],
    ["web", "db"],
    ["*", "db"],
    ["web", "*"],
  ] as const) {
    await catalog.send("PUT", exact(source, destination), { Action: "allow" });
  }
  const byDestination = await catalog.get("/v1/connect/intentions/match?by=destination&name=db&name=api");
  expect(byDestination.json).toMatchObject({
    db: [{ Precedence: 9 }, { Precedence: 8 }, { Precedence: 6 }, { Precedence: 5 }],
    api: [{ SourceName: "web", Precedence: 6 }, { Precedence: 5 }],
  });
  const bySource = await catalog.get("/v1/connect/intentions/match?by=source&name=other");
  expect(bySource.json).toMatchObject({ other: [{ DestinationName: "db", Precedence: 8 }, { Precedence: 5 }] });
});

test("missing and wrong parameters are named", async () => {
  const catalog = createTestCatalog();
  const refused: readonly (readonly [string, string])[] = [
    ["/v1/connect/intentions/check?source=a", "required query parameter 'destination' not set"],
    ["/v1/connect/intentions/exact?destination=a", "required query parameter 'source' not set"],
    ["/v1/connect/intentions/match?name=a", "required query parameter 'by' not set"],
    ["/v1/connect/intentions/match?by=x&name=a", "'by' parameter must be one of 'source' or 'destination'"],
    ["/v1/connect/intentions/match?by=source", "required query parameter 'name' not set"],
    ["/v1/connect/intentions/check?source=team/a&destination=b", "Consul Enterprise feature"],
    ["/v1/connect/intentions/check?source=a*&destination=b", "cannot be used with partial values"],
  ];
  for (const [url, message] of refused) {
    const answer = await catalog.get(url);
    expect(answer.status).toBe(400);
    expect(answer.body).toContain(message);
  }
  expect(await catalog.send("PUT", exact("a", "b"), { Action: "maybe" })).toMatchObject({
    status: 400,
    body: "Action must be set to 'allow' or 'deny'",
  });
  expect((await catalog.send("PUT", exact("a", "b"), { Permissions: [{}, { Action: "deny" }] })).body).toBe(
    "Permissions[0].Action must be set to 'allow' or 'deny'",
  );
});

test("permissions are written in any spelling, answered in Consul's, and count as a denial without a request", async () => {
  const catalog = createTestCatalog();
  const permissions = [
    {
      action: "deny",
      http: { path_prefix: "/admin", header: [{ name: "x-a", exact: "b", invert: true, ignore_case: true }] },
    },
    {
      Action: "allow",
      HTTP: {
        Methods: ["GET"],
        Header: [
          { Name: "x", Present: true },
          { Name: "y", Regex: "a+" },
        ],
      },
    },
    { Action: "allow", HTTP: { PathExact: "/a", PathPrefix: "", Header: null, Methods: [] } },
  ];
  const stored = [
    {
      Action: "deny",
      HTTP: { PathPrefix: "/admin", Header: [{ Name: "x-a", Exact: "b", Invert: true, IgnoreCase: true }] },
    },
    {
      Action: "allow",
      HTTP: {
        Header: [
          { Name: "x", Present: true },
          { Name: "y", Regex: "a+" },
        ],
        Methods: ["GET"],
      },
    },
    { Action: "allow", HTTP: { PathExact: "/a" } },
  ];
  expect(await catalog.send("PUT", exact("web", "db"), { Permissions: permissions })).toMatchObject({ status: 200 });
  const { json } = await catalog.get(exact("web", "db"));
  expect(json).toMatchObject({ SourceName: "web", Permissions: stored, Precedence: 9 });
  expect(json).not.toHaveProperty("Action");
  const entry = await catalog.get("/v1/config/service-intentions/db");
  expect(entry.json).toMatchObject({ Sources: [{ Name: "web", Permissions: stored }] });
  // What is read can be written back as it is.
  expect(await catalog.send("PUT", "/v1/config", entry.json)).toMatchObject({ status: 200 });
  expect((await catalog.get("/v1/config/service-intentions/db")).json).toMatchObject({
    Sources: [{ Permissions: stored }],
  });
  expect(await allowed(catalog, "web", "db")).toEqual({ Allowed: false });
});

test("many clients writing rules of one destination at once lose none of them", async () => {
  const catalog = createTestCatalog();
  const names = Array.from({ length: 8 }, (_, i) => `source-${i}`);
  const answers = await Promise.all(names.map((name) => catalog.send("PUT", exact(name, "db"), { Action: "allow" })));
  expect(answers.map((answer) => answer.status)).toEqual(names.map(() => 200));
  const { json } = await catalog.get("/v1/connect/intentions");
  expect(Array.isArray(json) ? json.map((intention) => intention.SourceName) : json).toEqual(names);
});
