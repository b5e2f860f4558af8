import { expect, test } from "bun:test";
import type { Access, Authorizer, Resource } from "../../../lib/acl/authorizer.ts";
import { defaultRequestLimits } from "../../../lib/contract/request-limits.ts";
import { createHttpApp } from "../../../lib/http/http-app.ts";
import { registerKvRoutes } from "../../../server/http/kv-routes.ts";
import { createReadEndpoint } from "../../../server/http/read-endpoint.ts";
import { registerSessionRoutes } from "../../../server/http/session-routes.ts";
import { registerTransactionRoutes } from "../../../server/http/transaction-routes.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createTestCatalog } from "./test-catalog.ts";

/** What a token may do, as `resource:prefix` for reading and `resource:prefix!` for writing. */
function authorizerOf(...rules: readonly string[]): Authorizer {
  const allows = (resource: Resource, access: Access, name = ""): boolean =>
    rules.some((rule) => {
      const isWriting = rule.endsWith("!");
      return (
        (isWriting || access !== "write") && `${resource}:${name}`.startsWith(isWriting ? rule.slice(0, -1) : rule)
      );
    });
  return {
    key: rules.join(),
    isUnrestricted: false,
    allows,
    allowsAll: allows,
    allowsAny: () => rules.length > 0,
    accessorId: "tester",
  };
}

/** The routes over keys and sessions that are there, for somebody who may do so much. */
async function start(...rules: readonly string[]) {
  const catalog = createTestCatalog();
  for (const key of ["a/1", "a/2", "b/1"]) await catalog.send("PUT", `/v1/kv/${key}`, "x");
  for (const Node of ["n1", "n2"]) {
    await catalog.send("PUT", "/v1/catalog/register", {
      Node,
      Address: "10.0.0.1",
      Service: { Service: `web-${Node}` },
    });
    await catalog.send("PUT", "/v1/session/create", { Node, NodeChecks: [] });
  }
  const app = createHttpApp({ runtime: createTestRuntime() });
  const options = { server: catalog.server, runtime: catalog.runtime, authorize: () => authorizerOf(...rules) };
  const limits = defaultRequestLimits;
  const context = { ...options, limits, reads: createReadEndpoint({ ...options, waits: limits }) };
  registerKvRoutes(app, context);
  registerSessionRoutes(app, context);
  registerTransactionRoutes(app, context);
  return async (method: "GET" | "PUT" | "DELETE", url: string, body?: unknown) => {
    const payload = body === undefined ? {} : { payload: JSON.stringify(body) };
    const answer = await app.inject({ method, url, ...payload });
    const isJson = answer.headers["content-type"] === "application/json";
    return { status: answer.statusCode, body: answer.body, json: isJson ? JSON.parse(answer.body) : undefined };
  };
}

test("keys need the right to just them, and a refusal names the rule", async () => {
  const ask = await start("key:a/", "key:b/!");
  expect((await ask("GET", "/v1/kv/a/1")).status).toBe(200);
  expect(await ask("GET", "/v1/kv/c")).toMatchObject({
    status: 403,
    body: `Permission denied: token with AccessorID 'tester' lacks permission 'key:read' on "c"`,
  });
  expect((await ask("GET", "/v1/kv/c?raw")).status).toBe(403);
  expect(await ask("PUT", "/v1/kv/a/1", 1)).toMatchObject({
    status: 403,
    body: expect.stringContaining("'key:write'"),
  });
  expect((await ask("PUT", "/v1/kv/b/2", 1)).status).toBe(200);
  expect((await ask("DELETE", "/v1/kv/a/1")).status).toBe(403);
  expect((await ask("DELETE", "/v1/kv/?recurse")).status).toBe(403);
  expect((await ask("DELETE", "/v1/kv/b/?recurse")).status).toBe(200);
});

test("lists leave out what may not be read, and are not found when that is all", async () => {
  const ask = await start("key:a/2", "key:b/");
  expect((await ask("GET", "/v1/kv/?keys")).json).toEqual(["a/2", "b/1"]);
  expect((await ask("GET", "/v1/kv/?keys&separator=/")).json).toEqual(["a/", "b/"]);
  expect((await ask("GET", "/v1/kv/?recurse")).json).toMatchObject([{ Key: "a/2" }, { Key: "b/1" }]);
  expect((await ask("GET", "/v1/kv/a/1?recurse")).status).toBe(404);
});

test("sessions go by the name of their node", async () => {
  const ask = await start("session:n1!", "session:n2");
  const [first, second] = (await ask("GET", "/v1/session/list")).json;
  const [mine, theirs] = first.Node === "n1" ? [first, second] : [second, first];
  expect((await ask("PUT", "/v1/session/create", { Node: "n1", NodeChecks: [] })).status).toBe(200);
  expect((await ask("PUT", "/v1/session/create", { Node: "n2", NodeChecks: [] })).status).toBe(403);
  expect((await ask("PUT", `/v1/session/renew/${theirs.ID}`)).status).toBe(403);
  expect((await ask("PUT", `/v1/session/destroy/${theirs.ID}`)).status).toBe(403);
  expect((await ask("PUT", `/v1/session/destroy/${mine.ID}`)).status).toBe(200);
  const nobody = await start("session:n1");
  expect((await nobody("GET", "/v1/session/node/n2")).json).toEqual([]);
  expect((await nobody("GET", `/v1/session/info/${theirs.ID}`)).json).toEqual([]);
  expect((await nobody("GET", "/v1/session/list")).json).toHaveLength(1);
});

test("a transaction is refused as a whole for one operation, and what it reads is filtered", async () => {
  const ask = await start("key:a/!", "service:web-n1!", "node:n1");
  const denied = await ask("PUT", "/v1/txn", [
    { KV: { Verb: "set", Key: "a/3" } },
    { KV: { Verb: "set", Key: "b/3" } },
    { KV: { Verb: "check-not-exists", Key: "b/3" } },
    { KV: { Verb: "delete-tree", Key: "" } },
    { Node: { Verb: "set", Node: { Node: "n1", Address: "10.0.0.2" } } },
    { Service: { Verb: "delete", Node: "n2", Service: { ID: "web-n2" } } },
    { Service: { Verb: "set", Node: "n1", Service: { ID: "web-n1", Service: "web-n1" } } },
    { Check: { Verb: "set", Check: { Node: "n1", Name: "c" } } },
    { Check: { Verb: "set", Check: { Node: "n1", Name: "c", ServiceID: "web-n1" } } },
  ]);
  expect(denied.status).toBe(409);
  expect(denied.json.Errors.map(({ OpIndex }: { OpIndex: number }) => OpIndex)).toEqual([1, 2, 3, 4, 5, 7]);
  expect(denied.json.Errors[0].What).toContain(`'key:write' on "b/3"`);
  expect((await ask("GET", "/v1/kv/a/3")).status).toBe(404);
  const read = await ask("PUT", "/v1/txn", [
    { KV: { Verb: "get-tree", Key: "" } },
    { Node: { Verb: "get", Node: { Node: "n1" } } },
    { Node: { Verb: "get", Node: { Node: "n2" } } },
    { Service: { Verb: "get", Node: "n2", Service: { ID: "web-n2" } } },
  ]);
  expect(read.json.Results).toMatchObject([{ KV: { Key: "a/1" } }, { KV: { Key: "a/2" } }, { Node: { Node: "n1" } }]);
  expect(read.json.Results).toHaveLength(3);
});
