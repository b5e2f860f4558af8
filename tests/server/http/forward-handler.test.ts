import { expect, test } from "bun:test";
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
