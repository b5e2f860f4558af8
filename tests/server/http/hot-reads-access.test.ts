import { afterEach, beforeEach, expect, test } from "bun:test";
import { listenHttp } from "../../../lib/http/listen.ts";
import { createTestCatalog, instanceBody, type TestCatalog } from "./test-catalog.ts";

/** The same hot URLs for tokens that may see different things, over real sockets. */
let catalog: TestCatalog;
let base: string;
let management: string;

const urls = [
  "/v1/health/service/web",
  "/v1/catalog/services",
  "/v1/catalog/nodes?filter=Node!=x",
  "/v1/config/service-defaults/web",
];

beforeEach(async () => {
  catalog = createTestCatalog({ acl: { defaultPolicy: "deny" } });
  const { port } = await listenHttp(catalog.app, { host: "127.0.0.1", port: 0 });
  base = `http://127.0.0.1:${port}`;
  catalog.apply({ type: "acl-initialize", time: "2026-01-01T00:00:00Z" });
  management = field((await put("/v1/acl/bootstrap", undefined, "")).json, "SecretID");
  await put("/v1/catalog/register", instanceBody({ node: "n1", service: "web" }));
  await put("/v1/config", { Kind: "service-defaults", Name: "web", Protocol: "http" });
});

afterEach(() => catalog.app.close());

function field(json: unknown, name: string): string {
  return String(typeof json === "object" && json !== null ? Object.getOwnPropertyDescriptor(json, name)?.value : "");
}

async function put(url: string, body: unknown, token = management): Promise<{ readonly json: unknown }> {
  const answer = await catalog.send("PUT", url, body, token === "" ? {} : { "x-consul-token": token });
  if (answer.status !== 200) throw new Error(`${url}: ${answer.body}`);
  return answer;
}

async function tokenFor(name: string, rules: string): Promise<string> {
  await put("/v1/acl/policy", { Name: name, Rules: rules });
  return field((await put("/v1/acl/token", { Policies: [{ Name: name }] })).json, "SecretID");
}

async function get(url: string, token: string): Promise<string> {
  const answer = await fetch(base + url, { headers: token === "" ? {} : { "x-consul-token": token } });
  const isFiltered = answer.headers.get("X-Consul-Results-Filtered-By-ACLs") ?? "false";
  return `${answer.status} ${isFiltered} ${await answer.text()}`;
}

/** The answer of the router alone. */
async function routed(url: string, token: string): Promise<string> {
  const headers = token === "" ? {} : { "x-consul-token": token };
  const answer = await catalog.app.inject({ method: "GET", url, headers });
  return `${answer.statusCode} ${answer.headers["x-consul-results-filtered-by-acls"] ?? "false"} ${answer.body}`;
}

test("each token is answered what the router answers it, in whatever order they ask", async () => {
  const reader = await tokenFor("reader", 'node_prefix "" { policy = "read" } service "web" { policy = "read" }');
  const stranger = await tokenFor("stranger", 'service "other" { policy = "read" }');
  const tokens = [management, reader, stranger, "", "00000000-0000-0000-0000-00000000dead"];
  for (let round = 0; round < 4; round++) {
    for (const url of urls) {
      for (const token of tokens) expect(await get(url, token)).toBe(await routed(url, token));
    }
  }
  expect(await get("/v1/health/service/web", stranger)).toBe("200 true []");
  expect(await get("/v1/health/service/web", "")).toBe("200 false []");
  expect(await get("/v1/health/service/web", reader)).toStartWith('200 false [{"Node"');
});

test("a token that loses its rights, or is gone, gets nothing more", async () => {
  const reader = await tokenFor("reader", 'node_prefix "" { policy = "read" } service "web" { policy = "read" }');
  const policy = (await put("/v1/acl/policy", { Name: "spare", Rules: "" })).json;
  expect(field(policy, "Name")).toBe("spare");
  for (let n = 0; n < 4; n++) expect(await get("/v1/health/service/web", reader)).toStartWith('200 false [{"Node"');
  const list = await catalog.get("/v1/acl/policies", { "x-consul-token": management });
  const found = Array.isArray(list.json) ? list.json.find(({ Name }) => Name === "reader") : undefined;
  await put(`/v1/acl/policy/${found.ID}`, { Name: "reader", Rules: 'node_prefix "" { policy = "read" }' });
  expect(await get("/v1/health/service/web", reader)).toBe("200 true []");
  const self = await catalog.get("/v1/acl/token/self", { "x-consul-token": reader });
  await catalog.send("DELETE", `/v1/acl/token/${field(self.json, "AccessorID")}`, undefined, {
    "x-consul-token": management,
  });
  expect(await get("/v1/health/service/web", reader)).toStartWith("403 ");
});
