import { expect, test } from "bun:test";
import { maxEvents } from "../../../lib/contract/user-events.ts";
import { eventIndex } from "../../../server/http/event-routes.ts";
import { createTestCatalog } from "./test-catalog.ts";

const fire = "/v1/event/fire";

test("an event is fired with its bytes, and listed under the index that clients compute from its ID", async () => {
  const { app } = createTestCatalog();
  const fired = (await app.inject({ method: "PUT", url: `${fire}/deploy`, payload: Buffer.from([0, 255]) })).json();
  expect(fired).toMatchObject({ Name: "deploy", Payload: "AP8=", Version: 1, LTime: 0, NodeFilter: "" });
  const listed = await app.inject("/v1/event/list?name=deploy");
  expect(listed.json()).toEqual([{ ...fired, LTime: 1 }]);
  expect(listed.headers["x-consul-index"]).toBe(String(eventIndex(fired)));
  expect((await app.inject("/v1/event/list?name=other")).json()).toEqual([]);
});

test("the index is both halves of the ID", () => {
  expect(eventIndex({ ID: "00000000-0000-0001-8000-000000000003" })).toBe(0x8000000000000002n);
});

test("a list waits for an event that it does not know, and for no other reason", async () => {
  const catalog = createTestCatalog();
  const first = await catalog.send("PUT", `${fire}/a`);
  const index = String(eventIndex(JSON.parse(first.body)));
  const waiting = catalog.app.inject(`/v1/event/list?name=a&index=${index}&wait=60s`);
  let isAnswered = false;
  void waiting.then(() => {
    isAnswered = true;
  });
  await catalog.send("PUT", `${fire}/b`);
  await catalog.get("/v1/event/list");
  expect(isAnswered).toBe(false);
  await catalog.send("PUT", `${fire}/a`);
  expect((await waiting).json()).toHaveLength(2);
  expect((await catalog.get("/v1/event/list?index=5&wait=60s")).json).toHaveLength(3);
});

test("a node sees what is meant for it, by its name or its services and their tags", async () => {
  const catalog = createTestCatalog();
  await catalog.send("PUT", "/v1/catalog/register", {
    Node: "n1",
    Address: "10.0.0.1",
    Service: { Service: "web", Tags: ["blue"] },
  });
  await catalog.send("PUT", `${fire}/other-node?node=n2`);
  await catalog.send("PUT", `${fire}/this-node?node=%5En`);
  await catalog.send("PUT", `${fire}/service?service=we`);
  await catalog.send("PUT", `${fire}/tag?service=web&tag=green`);
  const { app } = catalog;
  const seen = await app.inject({ url: "/v1/event/list", headers: { "x-atoll-node": "n1" } });
  expect(seen.json().map((event: { Name: string }) => event.Name)).toEqual(["this-node", "service"]);
  expect((await catalog.get("/v1/event/list")).json).toHaveLength(4);
});

test("the newest are kept, and what is too large or makes no sense is refused", async () => {
  const catalog = createTestCatalog();
  for (let i = 0; i < maxEvents + 3; i++) await catalog.send("PUT", `${fire}/e${i}`);
  const { json } = await catalog.get("/v1/event/list");
  expect(json).toHaveLength(maxEvents);
  expect(json).toMatchObject([{ Name: "e3", LTime: 4 }, ...Array.from({ length: maxEvents - 1 }, () => ({}))]);
  const large = await catalog.app.inject({ method: "PUT", url: `${fire}/x`, payload: "x".repeat(513) });
  expect(large.statusCode).toBe(413);
  expect((await catalog.send("PUT", `${fire}/x?tag=t`)).body).toBe("Cannot provide tag filter without service filter");
  expect((await catalog.send("PUT", `${fire}/x?node=(`)).body).toContain("Invalid node filter");
});
