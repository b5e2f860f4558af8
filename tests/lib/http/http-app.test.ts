import { expect, test } from "bun:test";
import { createTestApp } from "./test-app.ts";

test("an unknown path is a 404 as text", async () => {
  const { app } = createTestApp();
  const answer = await app.inject({ url: "/v1/nothing" });
  expect(answer.statusCode).toBe(404);
  expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
  expect(answer.body).toBe("Invalid URL path: not a recognized HTTP API endpoint\n");
});

test("another method is a 405 with the list of those that there are", async () => {
  const { app } = createTestApp();
  const answer = await app.inject({ method: "POST", url: "/v1/thing/x" });
  expect(answer.statusCode).toBe(405);
  expect(answer.headers["allow"]).toBe("OPTIONS,GET,DELETE");
  expect(answer.body).toBe("method POST not allowed");
});

test("a fixed path keeps its own method list beside a path with a parameter", async () => {
  const { app } = createTestApp();
  for (const method of ["GET", "DELETE"] as const) {
    const answer = await app.inject({ method, url: "/v1/thing/register?x=1" });
    expect(answer.statusCode).toBe(405);
    expect(answer.headers["allow"]).toBe("OPTIONS,PUT");
  }
});

test("HEAD is not GET, and OPTIONS is answered from the list", async () => {
  const { app } = createTestApp();
  expect((await app.inject({ method: "HEAD", url: "/v1/thing/x" })).statusCode).toBe(405);
  const options = await app.inject({ method: "OPTIONS", url: "/v1/thing/register" });
  expect(options.statusCode).toBe(200);
  expect(options.headers["allow"]).toBe("OPTIONS,PUT");
});

test("a defect is a 500 and is logged with its stack", async () => {
  const { app, runtime } = createTestApp();
  const answer = await app.inject({ url: "/v1/broken" });
  expect(answer.statusCode).toBe(500);
  expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
  const line = runtime.lines.find((logged) => logged.includes("request broke"));
  expect(line).toContain("route=/v1/broken");
  expect(line).toContain("test-app.ts");
});

test("a body over the limit is a 413 with both sizes", async () => {
  const { app } = createTestApp({ bodyLimitBytes: 100 });
  const answer = await app.inject({ method: "PUT", url: "/v1/thing/register", payload: "x".repeat(101) });
  expect(answer.statusCode).toBe(413);
  expect(answer.body).toBe("Request body(101 bytes) too large, max size: 100 bytes.");
});

test("?pretty indents by four and ends the line, whatever its value; an option does so always", async () => {
  const { app } = createTestApp();
  const pretty = '{\n    "params": {\n        "id": "x"\n    }\n}\n';
  expect((await app.inject({ url: "/v1/thing/x" })).body).toBe('{"params":{"id":"x"}}');
  expect((await app.inject({ url: "/v1/thing/x?pretty" })).body).toBe(pretty);
  expect((await app.inject({ url: "/v1/thing/x?a=b&pretty=false" })).body).toBe(pretty);
  expect((await app.inject({ url: "/v1/thing/x?prettyplease" })).body).not.toBe(pretty);
  const always = createTestApp({ isAlwaysPretty: true });
  expect((await always.app.inject({ url: "/v1/thing/x" })).body).toBe(pretty);
});

test("paths with characters that do not print are refused, other letters are not", async () => {
  const { app } = createTestApp();
  for (const path of ["/v1/thing/%07", "/v1/thing/a%0Ab", "/v1/thing/%E2%80%AE", "/v1/thing/%ff", "/v1/thing/%zz"]) {
    expect((await app.inject({ url: path })).statusCode).toBe(400);
  }
  expect((await app.inject({ url: "/v1/thing/%C3%A9t%C3%A9" })).json()).toEqual({ params: { id: "été" } });
});

test("namespaces and partitions are refused instead of being ignored", async () => {
  const { app } = createTestApp();
  const refused = await app.inject({ url: "/v1/thing/x?ns=team" });
  expect(refused.statusCode).toBe(400);
  expect(refused.body).toBe('Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature');
  expect((await app.inject({ url: "/v1/thing/x?a=b&n%73=team" })).statusCode).toBe(400);
  const header = await app.inject({ url: "/v1/thing/x", headers: { "x-consul-partition": "p" } });
  expect(header.body).toBe('Invalid header: "X-Consul-Partition" - Partitions are a Consul Enterprise feature');
  expect((await app.inject({ url: "/v1/thing/x?ns=&partition=" })).statusCode).toBe(200);
});

test("every reply under /v1 tells the default policy, errors too", async () => {
  const { app } = createTestApp({ defaultAclPolicy: "deny" });
  for (const url of ["/v1/thing/x", "/v1/nothing", "/v1/broken"]) {
    expect((await app.inject({ url })).headers["x-consul-default-acl-policy"]).toBe("deny");
  }
});

test("requests are counted by route pattern, never by URL", async () => {
  const { app, runtime } = createTestApp();
  await app.inject({ url: "/v1/thing/secret-1" });
  await app.inject({ url: "/v1/thing/secret-2" });
  await app.inject({ url: "/v1/unknown-3" });
  const text = await runtime.metrics.metrics();
  expect(text).toContain('atoll_agent_http_requests_total{method="GET",route="/v1/thing/:id",status="200"} 2');
  expect(text).toContain('atoll_agent_http_requests_total{method="GET",route="unmatched",status="404"} 1');
  expect(text).not.toMatch(/secret|unknown-3/);
});

test("long names are path parameters too", async () => {
  const { app } = createTestApp();
  const id = "n".repeat(1_000);
  expect((await app.inject({ url: `/v1/thing/${id}` })).json()).toEqual({ params: { id } });
});
