import { expect, test } from "bun:test";
import { gunzipSync } from "node:zlib";
import { connect } from "node:net";
import { registerForwardRoutes } from "../../../agent/http/forward.ts";
import type { ForwardRequest, ForwardResponse, ServerLink } from "../../../lib/client/server-link.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { createHttpApp, type HttpApp } from "../../../lib/http/http-app.ts";
import { listenHttp } from "../../../lib/http/listen.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

function appOver(forward: ServerLink["forward"]): HttpApp {
  const runtime = createTestRuntime();
  const app = createHttpApp({ runtime });
  app.get("/v1/agent/self", async () => "this agent");
  registerForwardRoutes(app, { link: { forward }, runtime, nodeName: "a1" });
  return app;
}

function answer(text: string, more: Partial<ForwardResponse> = {}): ForwardResponse {
  return { status: 200, headers: {}, body: Buffer.from(text), ...more };
}

test("a request is sent on with its query, headers and body, without those of the connection", async () => {
  const seen: ForwardRequest[] = [];
  const app = appOver(async (request) => {
    seen.push(request);
    return answer("true");
  });
  await app.inject({
    method: "PUT",
    url: "/v1/catalog/register?dc=dc1&token=t",
    headers: { "x-consul-token": "secret", connection: "close", "keep-alive": "timeout=5", te: "trailers" },
    payload: '{"Node":"x"}',
  });
  expect(seen).toHaveLength(1);
  const [request] = seen;
  expect(request).toMatchObject({ method: "PUT", url: "/v1/catalog/register?dc=dc1&token=t" });
  expect(Buffer.from(request?.body ?? []).toString()).toBe('{"Node":"x"}');
  expect(request?.headers["x-consul-token"]).toBe("secret");
  for (const name of ["connection", "keep-alive", "te", "host", "content-length"]) {
    expect(request?.headers[name]).toBeUndefined();
  }
  await app.close();
});

test("the answer is passed on as it is: status, headers in Consul's spelling, bytes", async () => {
  const bytes = Buffer.from([0, 255, 10, 128]);
  const headers = { "x-consul-index": "42", "content-type": "application/x", "content-length": "999", connection: "x" };
  const app = appOver(async () => answer("", { status: 429, headers, body: bytes }));
  const { port } = await listenHttp(app, { host: "127.0.0.1", port: 0 });
  const raw = await rawRequest(port, "GET /v1/kv/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const text = raw.toString("latin1");
  expect(text).toStartWith("HTTP/1.1 429 ");
  expect(text).toContain("\r\nX-Consul-Index: 42\r\n");
  expect(text.toLowerCase()).toContain("\r\ncontent-type: application/x\r\n");
  expect(text.toLowerCase()).toContain("\r\ncontent-length: 4\r\n");
  expect(raw.subarray(-4)).toEqual(bytes);
  await app.close();
});

function rawRequest(port: number, text: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, "127.0.0.1", () => void socket.write(text));
    socket.on("data", (chunk) => chunks.push(Buffer.from(chunk)));
    socket.on("end", () => resolve(Buffer.concat(chunks)));
    socket.on("error", reject);
  });
}

test("the agent's own routes and unknown ones are answered here", async () => {
  let isForwarded = false;
  const app = appOver(async () => {
    isForwarded = true;
    return answer("");
  });
  expect((await app.inject({ method: "GET", url: "/v1/agent/self" })).payload).toBe("this agent");
  expect((await app.inject({ method: "PUT", url: "/v1/agent/self" })).statusCode).toBe(405);
  expect((await app.inject({ method: "GET", url: "/v1/agent/nothing" })).statusCode).toBe(404);
  expect((await app.inject({ method: "GET", url: "/v1/nothing" })).statusCode).toBe(404);
  expect(isForwarded).toBe(false);
  await app.close();
});

test("a server that cannot be reached is a 503 that says so", async () => {
  const app = appOver(async () => {
    throw new AtollError("UNAVAILABLE", "no server answers at 127.0.0.1:8300");
  });
  const failed = await app.inject({ method: "GET", url: "/v1/status/leader" });
  expect([failed.statusCode, failed.payload]).toEqual([503, "no server answers at 127.0.0.1:8300"]);
  await app.close();
});

test("a client that goes away ends its forwarded query", async () => {
  let signal: AbortSignal | undefined;
  const app = appOver((_request, given) => {
    signal = given;
    return new Promise((_resolve, reject) => {
      given.addEventListener("abort", () => reject(new AtollError("UNAVAILABLE", "aborted")), { once: true });
    });
  });
  const { port } = await listenHttp(app, { host: "127.0.0.1", port: 0 });
  const client = connect(port, "127.0.0.1");
  client.write("GET /v1/health/service/web?index=9 HTTP/1.1\r\nHost: a\r\n\r\n");
  await eventually("the query is forwarded", () => signal !== undefined);
  client.destroy();
  await eventually("it is ended", () => signal?.aborted === true);
  await app.close();
});

test("a large answer of a server is compressed for the client that takes it", async () => {
  const text = JSON.stringify(Array.from({ length: 500 }, (_, n) => ({ Node: `node-${n}` })));
  const app = appOver(async () => answer(text, { headers: { "content-type": "application/json" } }));
  const ask = (encoding: string) =>
    app.inject({ method: "GET", url: "/v1/catalog/nodes", headers: { "accept-encoding": encoding } });
  const zipped = await ask("gzip");
  expect(zipped.headers).toMatchObject({ "content-encoding": "gzip", vary: "Accept-Encoding" });
  expect(gunzipSync(zipped.rawPayload).toString()).toBe(text);
  expect((await ask("identity")).body).toBe(text);
  await app.close();
});
