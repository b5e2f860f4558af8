import { expect, test } from "bun:test";
import { createTestCatalog } from "./test-catalog.ts";

const url = "/v1/connect/intentions";

test("an intention made by POST has a UUID by which it is read, changed and deleted", async () => {
  const catalog = createTestCatalog();
  const pair = { SourceName: "web", DestinationName: "api" };
  const created = await catalog.send("POST", url, { ...pair, Action: "allow", Description: "d" });
  const { ID } = JSON.parse(created.body);
  expect((await catalog.get(`${url}/${ID}`)).json).toMatchObject({ ID, ...pair, Action: "allow", Precedence: 9 });
  expect((await catalog.get(url)).json).toMatchObject([{ ID }]);
  const changed = await catalog.send("PUT", `${url}/${ID}`, { ...pair, Action: "deny" });
  expect(changed).toMatchObject({ status: 200, json: { ID } });
  expect((await catalog.get(`${url}/exact?source=web&destination=api`)).json).toMatchObject({ ID, Action: "deny" });
  expect((await catalog.get("/v1/config/service-intentions/api")).json).toMatchObject({ Sources: [{ LegacyID: ID }] });
  expect((await catalog.send("DELETE", `${url}/${ID}`)).status).toBe(200);
  expect(await catalog.get(`${url}/${ID}`)).toMatchObject({ status: 404, body: `Intention not found: "${ID}"` });
  expect((await catalog.get(url)).json).toEqual([]);
});

test("what is there already, moves or has no names is refused", async () => {
  const catalog = createTestCatalog();
  const body = { SourceName: "web", DestinationName: "api", Action: "allow" };
  const { ID } = JSON.parse((await catalog.send("POST", url, body)).body);
  expect((await catalog.send("POST", url, body)).body).toBe("duplicate intention found");
  const moved = await catalog.send("PUT", `${url}/${ID}`, { ...body, DestinationName: "db" });
  expect(moved.body).toContain("Cannot modify SourceName or DestinationName");
  expect((await catalog.send("POST", url, { Action: "allow" })).body).toBe("SourceName must be set");
  expect((await catalog.send("POST", url, { ...body, SourceName: "w*" })).body).toContain("wildcard character '*'");
  expect((await catalog.send("DELETE", `${url}/none`)).status).toBe(404);
});
