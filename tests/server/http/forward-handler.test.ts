import { expect, test } from "bun:test";
import { Readable } from "node:stream";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { createHttpApp } from "../../../lib/http/http-app.ts";
import { createForwardHandler } from "../../../server/http/forward-handler.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

async function forward(url: string): Promise<string> {
  const app = createHttpApp({ runtime: createTestRuntime() });
  app.get("/v1/agent/self", async () => "of this host only");
  app.get("/v1/agentless", async () => "of the cluster");
  const request = { method: "GET", url, headers: {}, body: new Uint8Array() };
  try {
    const answer = await createForwardHandler(app)(request, new AbortController().signal);
    return Buffer.from(answer.body).toString();
  } catch (error) {
    return error instanceof AtollError ? error.code : String(error);
  } finally {
    await app.close();
  }
}

test.each([
  "/v1/agent",
  "/v1/agent/self",
  "/v1/agent/self?x=/v1/catalog",
  "/v1/%61gent/self",
  "/v1/catalog/../agent/self",
  "/v1/catalog/%2e%2e/agent/self",
  "/v1/catalog\\..\\agent/self",
  "//host/v1/agent/self",
  "http://host/v1/agent/self",
  "/v1/%",
])("a forwarded %s is refused: the agent API of a host is not for other hosts", async (url) => {
  expect(await forward(url)).toBe("PERMISSION_DENIED");
});

test("a path that only begins like the agent API is forwarded", async () => {
  expect(await forward("/v1/agentless")).toBe("of the cluster");
});

test("an app that closes does nothing any more and sends the request to the next leader", async () => {
  const app = createHttpApp({ runtime: createTestRuntime() });
  app.get("/v1/thing", async () => "done");
  const handler = createForwardHandler(app);
  const request = { method: "GET", url: "/v1/thing", headers: {}, body: new Uint8Array() };
  const { signal } = new AbortController();
  expect((await handler(request, signal)).status).toBe(200);
  await app.close();
  await expect(handler(request, signal)).rejects.toMatchObject({ code: "NO_LEADER" });
});

test.each(["/v1/snapshot", "/v1/thing/../snapshot"])("the stream that answers %s is read to its end", async (url) => {
  const app = createHttpApp({ runtime: createTestRuntime() });
  app.get("/v1/snapshot", async (_request, reply) => reply.send(Readable.from([Buffer.from("a"), Buffer.from("b")])));
  const request = { method: "GET", url, headers: {}, body: new Uint8Array() };
  const answer = await createForwardHandler(app)(request, new AbortController().signal);
  expect(Buffer.from(answer.body).toString()).toBe("ab");
  await app.close();
});
