import { describe, expect, test } from "bun:test";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { sendJson } from "../../../lib/http/answers.ts";
import { runDirectly } from "../../../lib/http/direct-exchange.ts";
import { createHttpApp, type HttpApp } from "../../../lib/http/http-app.ts";
import { requestSignal } from "../../../lib/http/open-requests.ts";
import { rawBody } from "../../../lib/http/relay.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

const never = new AbortController().signal;

async function startApp() {
  const runtime = createTestRuntime();
  const app = createHttpApp({ runtime });
  app.put("/v1/echo/:name", async (request, reply) => {
    reply.raw.setHeader("X-Name", request.url);
    return reply.header("content-type", "text/plain").send(rawBody(request));
  });
  app.get("/v1/seen", async (request, reply) => sendJson(reply, request.headers));
  app.head("/v1/seen", async (_request, reply) => reply.header("x-head", "1").send("nobody sees it"));
  app.get("/v1/empty", async (_request, reply) => reply.code(204).send());
  app.get("/v1/refused", async () => {
    throw new AtollError("NO_LEADER", "No cluster leader", { leader: "127.0.0.1:8300" });
  });
  app.get("/v1/wait", async (_request, reply) => {
    const signal = requestSignal(reply);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    return sendJson(reply, "woken");
  });
  await app.ready();
  return { app, runtime };
}

const run = (app: HttpApp, method: string, url: string, body = "", headers: Record<string, string> = {}) =>
  runDirectly(app, { method, url, headers, body: Buffer.from(body) }, never);

describe("a request that is run directly", () => {
  test.each([
    ["PUT", "/v1/echo/a?b=c", "a body", { "Content-Type": "application/json" }],
    ["PUT", "/v1/echo/a", "a body", {}],
    ["PUT", "/v1/echo/a", "a body", { "content-length": "2", "transfer-encoding": "chunked" }],
    ["PUT", "/v1/echo/a", "", { "content-type": "application/json" }],
    ["PUT", "/v1/echo/large", "x".repeat(600_000), {}],
    ["HEAD", "/v1/seen", "", {}],
    ["GET", "/v1/empty", "", {}],
    ["GET", "/v1/refused", "", {}],
    ["GET", "/v1/none", "", {}],
    ["DELETE", "/v1/seen", "", {}],
    ["OPTIONS", "/v1/seen", "", {}],
    ["GET", "/v1/seen?ns=other", "", {}],
    ["GET", "/v1/%E2%80%8B", "", {}],
    ["PATCH", "/v1/seen", "", {}],
  ] as const)("%s %s is answered as over a socket", async (method, url, body, headers) => {
    const { app } = await startApp();
    const address = await app.listen({ host: "127.0.0.1", port: 0 });
    const given = Object.entries(headers).filter(([name]) => name !== "content-length" && name !== "transfer-encoding");
    const expected = await fetch(`${address}${url}`, {
      method,
      headers: given,
      ...(body === "" ? {} : { body: Buffer.from(body) }),
    });
    const answer = await run(app, method, url, body, { ...headers });
    expect(answer.status).toBe(expected.status);
    expect(Buffer.from(answer.body).toString()).toBe(await expected.text());
    const own = new Set(["date", "connection", "keep-alive", "content-length", "transfer-encoding"]);
    const sent = (all: Iterable<readonly [string, string]>) =>
      [...all].filter(([name]) => !own.has(name)).toSorted(([a], [b]) => a.localeCompare(b));
    expect(sent(Object.entries(answer.headers))).toEqual(sent(expected.headers));
    await app.close();
  });

  test("has its headers under names in lower case, without those of a connection", async () => {
    const { app } = await startApp();
    const headers = { "X-Consul-Token": "t", Connection: "keep-alive", "x-ü": "€" };
    const answer = await run(app, "GET", "/v1/seen", "", headers);
    expect(JSON.parse(Buffer.from(answer.body).toString())).toEqual({ "x-consul-token": "t", "x-ü": "€" });
    await app.close();
  });

  test("is broken off by its signal: what it waits for ends, and it does not count as answered", async () => {
    const { app, runtime } = await startApp();
    const client = new AbortController();
    const request = { method: "GET", url: "/v1/wait", headers: {}, body: new Uint8Array() };
    const answer = runDirectly(app, request, client.signal);
    expect(app.openRequests.count()).toBe(1);
    client.abort();
    await expect(answer).rejects.toThrow("the request was broken off");
    await eventually("the end of its wait", () => app.openRequests.count() === 0);
    await expect(runDirectly(app, request, client.signal)).rejects.toThrow("the request was broken off");
    await run(app, "GET", "/v1/empty");
    const counted = await runtime.metrics.getSingleMetric("atoll_agent_http_requests_total")?.get();
    expect(counted?.values.map(({ labels, value }) => [labels["route"], value])).toEqual([["/v1/empty", 1]]);
    await app.close();
  });

  test("that waits is ended with the app", async () => {
    const { app } = await startApp();
    const answer = run(app, "GET", "/v1/wait");
    await app.close();
    expect(Buffer.from((await answer).body).toString()).toBe('"woken"');
  });
});
