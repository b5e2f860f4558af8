import { expect, test } from "bun:test";
import { Type } from "typebox";
import { type AuditAuth, type AuditEvent, nobody } from "../../../lib/audit/audit-event.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { sendJson } from "../../../lib/http/answers.ts";
import { auditRequests } from "../../../lib/http/audit-requests.ts";
import { runDirectly } from "../../../lib/http/direct-exchange.ts";
import { createHttpApp, type HttpApp } from "../../../lib/http/http-app.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";

const alice: AuditAuth = { accessor_id: "8f", description: "Alice", create_time: "2026", auth_method: "jwt" };

function startApp(identify: () => AuditAuth = () => alice) {
  const runtime = createTestRuntime({ clock: createVirtualClock(1_700_000_000_000) });
  const events: AuditEvent[] = [];
  const app = createHttpApp({ runtime });
  auditRequests(app, {
    log: { record: (event) => events.push(structuredClone(event)), close: async () => undefined },
    server: { node: "s1", datacenter: "dc1" },
    runtime,
    identify,
  });
  app.get("/v1/kv/*", async (_request, reply) => sendJson(reply, []));
  app.put("/v1/kv/*", async (_request, reply) => {
    reply.raw.setHeader("X-Atoll-Index", "7");
    return sendJson(reply, true);
  });
  app.put("/v1/session/renew/:id", async (_request, reply) => sendJson(reply, true));
  app.put("/v1/session/create", async (_request, reply) => sendJson(reply, { ID: "5e" }));
  app.put("/v1/config", { schema: { body: Type.Object({ Kind: Type.String() }) } }, async (_request, reply) =>
    sendJson(reply, true),
  );
  app.delete("/v1/kv/*", async () => {
    throw new AtollError("PERMISSION_DENIED", "Permission denied: with a secret in it");
  });
  app.all("/v1/query/*", async (_request, reply) => sendJson(reply, true));
  return { app, events };
}

const stages = (events: readonly AuditEvent[]): unknown[] =>
  events.map(({ payload }) => [payload.stage, payload.request.operation, payload.response?.status]);

test("a change is told of before and after, and holds no token and no value", async () => {
  const { app, events } = startApp();
  await app.inject({
    method: "PUT",
    url: "/v1/kv/a%2Fb?flags=3&token=5ecre7&other=5ecre7",
    headers: {
      "x-consul-token": "5ecre7",
      authorization: "Bearer 5ecre7",
      "x-atoll-request-id": "r1",
      "user-agent": "curl",
    },
    body: "5ecre7",
  });
  expect(events).toHaveLength(2);
  expect(JSON.stringify(events)).not.toContain("5ecre7");
  const [start, complete] = events;
  expect(start?.payload).toMatchObject({
    version: "1",
    type: "HTTPEvent",
    timestamp: "2023-11-14T22:13:20.000Z",
    auth: alice,
    request: {
      operation: "PUT",
      endpoint: "/v1/kv/a%2Fb",
      route: "/v1/kv/*",
      query_params: { flags: "3" },
      remote_addr: expect.stringContaining("127.0.0.1"),
      user_agent: "curl",
      id: "r1",
    },
    resources: [{ type: "key", name: "a/b", bytes: 6, sha256: expect.stringMatching(/^[0-9a-f]{16}$/) }],
    server: { node: "s1", datacenter: "dc1" },
    stage: "OperationStart",
  });
  expect(start?.payload.response).toBeUndefined();
  expect(complete?.payload).toMatchObject({ stage: "OperationComplete", response: { status: "200", index: 7 } });
  expect(complete?.payload.id).toBe(start?.payload.id ?? "");
});

test("reads, and what only keeps something alive, are not told of", async () => {
  const { app, events } = startApp();
  await app.inject({ method: "GET", url: "/v1/kv/a" });
  await app.inject({ method: "PUT", url: "/v1/session/renew/5e" });
  await app.inject({ method: "GET", url: "/v1/query/a" });
  await app.inject({ method: "OPTIONS", url: "/v1/kv/a" });
  await app.inject({ method: "PUT", url: "/v1/nothing" });
  expect(events).toEqual([]);
  await app.inject({ method: "DELETE", url: "/v1/query/a" });
  expect(stages(events)).toEqual([
    ["OperationStart", "DELETE", undefined],
    ["OperationComplete", "DELETE", "200"],
  ]);
});

test("a refusal is told of with its status, also one before the request was run", async () => {
  const { app, events } = startApp();
  await app.inject({ method: "DELETE", url: "/v1/kv/a" });
  await app.inject({ method: "PUT", url: "/v1/config", body: "{" });
  expect(stages(events)).toEqual([
    ["OperationStart", "DELETE", undefined],
    ["OperationComplete", "DELETE", "403"],
    ["OperationStart", "PUT", undefined],
    ["OperationComplete", "PUT", "400"],
  ]);
  expect(JSON.stringify(events)).not.toContain("Permission denied");
});

test("what the answer names is told of", async () => {
  const { app, events } = startApp();
  await app.inject({ method: "PUT", url: "/v1/session/create", body: '{"Name":"lock"}' });
  expect(events[0]?.payload.resources).toEqual([{ type: "session", name: "lock" }]);
  expect(events[1]?.payload.response?.created).toEqual({ type: "session", name: "5e" });
});

test("a token that is none makes a change nobody's", async () => {
  const { app, events } = startApp(() => {
    throw new AtollError("PERMISSION_DENIED", "ACL not found");
  });
  await app.inject({ method: "PUT", url: "/v1/kv/a" });
  expect(events[0]?.payload.auth).toEqual(nobody);
});

test("what another server took is that one's to tell, what an agent sends on names its node", async () => {
  const { app, events } = startApp();
  await app.ready();
  const send = (sender: NonNullable<Parameters<typeof runDirectly>[1]["sender"]>) => sendFrom(app, sender);
  await send({ kind: "server" });
  expect(events).toEqual([]);
  await send({ kind: "agent", node: "vm1" });
  expect(events.map(({ payload }) => payload.auth)).toEqual([
    { ...alice, node: "vm1" },
    { ...alice, node: "vm1" },
  ]);
});

function sendFrom(app: HttpApp, sender: NonNullable<Parameters<typeof runDirectly>[1]["sender"]>) {
  const request = {
    method: "PUT",
    url: "/v1/kv/a",
    headers: { "x-atoll-forwarded": "1" },
    body: Buffer.from("v"),
    sender,
  };
  return runDirectly(app, request, new AbortController().signal);
}
