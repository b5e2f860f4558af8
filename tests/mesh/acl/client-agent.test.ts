import { afterAll, beforeAll, expect, test } from "bun:test";
import { resolveAgentOptions } from "../../../agent/config/agent-options.ts";
import { type AgentSettings, noSettings } from "../../../agent/config/agent-settings.ts";
import { type RunningAgent, startAgentProcess } from "../../../cli/agent-start.ts";
import { findFreePorts } from "../../../tools/free-ports.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { management } from "./matrix-cluster.ts";

/** An agent without a server of its own, over the network of this machine: whom it believes, and what its node may do. */
const dir = createTempDir();
let server: RunningAgent;
let client: RunningAgent;

async function start(settings: Partial<AgentSettings>, hostName: string): Promise<RunningAgent> {
  const options = resolveAgentOptions(
    { ...noSettings, httpPort: 0, ...settings },
    { hostName, addresses: [], workingDir: "/" },
  );
  return startAgentProcess({
    runtime: createTestRuntime(),
    options,
    env: process.env,
    shutdown: new AbortController().signal,
  });
}

beforeAll(async () => {
  const [rpcPort = 0, first = 0, second = 0] = await findFreePorts("127.0.0.1", 3);
  const ports = (port: number) => ({ sidecarMinPort: port, adminMinPort: port });
  const tokens = { initial_management: management };
  server = await start({ isDev: true, rpcPort, ...ports(first), acl: { enabled: true, tokens } }, "vm1");
  client = await start(
    {
      join: [`127.0.0.1:${rpcPort}`],
      bindAddress: "127.0.0.1",
      dataDir: dir.path,
      ...ports(second),
      acl: { enabled: true, token_ttl: "0s" },
    },
    "vm2",
  );
}, 40_000);

afterAll(async () => {
  await client.stop({ isLeaving: false, deadlineMs: 2_000 });
  await server.stop({ isLeaving: true, deadlineMs: 2_000 });
  dir[Symbol.dispose]();
});

async function call(agent: RunningAgent, method: string, url: string, token?: string, body?: unknown) {
  const { host, port } = agent.http.address;
  const response = await fetch(`http://${host}:${port}${url}`, {
    method,
    headers: token === undefined ? {} : { "X-Consul-Token": token },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text, json: () => JSON.parse(text) };
}

async function newToken(body: object): Promise<{ readonly secret: string; readonly accessor: string }> {
  const { SecretID: secret, AccessorID: accessor } = (
    await call(server, "PUT", "/v1/acl/token", management, body)
  ).json();
  return { secret, accessor };
}

const catalogOf = async (service: string): Promise<unknown[]> =>
  (await call(server, "GET", `/v1/catalog/service/${service}`, management)).json();

test("an agent asks its servers what a token may do", async () => {
  expect((await call(client, "GET", "/v1/agent/self")).text).toContain(
    "Permission denied: anonymous token lacks permission 'agent:read' on \"vm2\"",
  );
  const unknown = await call(client, "GET", "/v1/agent/self", "99999999-1111-2222-3333-444444444444");
  expect([unknown.status, unknown.text]).toEqual([403, "ACL not found"]);
  expect((await call(client, "GET", "/v1/agent/self", management)).status).toBe(200);
  expect((await call(client, "GET", "/v1/acl/tokens", management)).status).toBe(200);
  expect((await call(client, "GET", "/v1/acl/tokens")).status).toBe(403);
});

test("the node registers itself by its certificate, and services by the token that brought them", async () => {
  await eventually("the node is in the catalog", async () => {
    const { text } = await call(server, "GET", "/v1/catalog/nodes", management);
    return text.includes("vm2") ? true : undefined;
  });
  const web = await newToken({ ServiceIdentities: [{ ServiceName: "web" }] });
  const refused = await call(client, "PUT", "/v1/agent/service/register", web.secret, { Name: "db" });
  expect(refused.text).toContain(`lacks permission 'service:write' on "db"`);
  expect((await call(client, "PUT", "/v1/agent/service/register", web.secret, { Name: "web" })).status).toBe(200);
  await eventually("web is in the catalog", async () => ((await catalogOf("web")).length === 1 ? true : undefined));
  // Its certificate too, with the same right.
  expect((await call(client, "GET", "/v1/agent/connect/ca/leaf/web", web.secret)).status).toBe(200);
  expect((await call(client, "GET", "/v1/agent/connect/ca/leaf/db", web.secret)).status).toBe(403);
});

test("a token that died keeps nothing from being updated or deregistered", async () => {
  const api = await newToken({ ServiceIdentities: [{ ServiceName: "api" }] });
  const body = { Name: "api", Check: { CheckID: "api-ttl", TTL: "10m" } };
  expect((await call(client, "PUT", "/v1/agent/service/register", api.secret, body)).status).toBe(200);
  await eventually("api is in the catalog", async () => ((await catalogOf("api")).length === 1 ? true : undefined));
  expect((await call(server, "DELETE", `/v1/acl/token/${api.accessor}`, management)).status).toBe(200);
  expect((await call(client, "PUT", "/v1/agent/check/pass/api-ttl", api.secret)).text).toBe("ACL not found");
  await call(client, "PUT", "/v1/agent/check/pass/api-ttl", management);
  await eventually("the check passes in the catalog", async () => {
    const checks = (await call(server, "GET", "/v1/health/checks/api", management)).json();
    return checks[0]?.Status === "passing" ? true : undefined;
  });
  expect((await call(client, "PUT", "/v1/agent/service/deregister/api", management)).status).toBe(200);
  await eventually("api is gone", async () => ((await catalogOf("api")).length === 0 ? true : undefined));
});

test("requests without a token have the agent's default one, also those that a server answers", async () => {
  const reader = await newToken({ Policies: [{ Name: "builtin/global-read-only" }] });
  expect((await call(client, "GET", "/v1/catalog/services")).json()).toEqual({});
  const set = await call(client, "PUT", "/v1/agent/token/default", management, { Token: reader.secret });
  expect(set.status).toBe(200);
  expect(Object.keys((await call(client, "GET", "/v1/catalog/services")).json())).toContain("web");
  expect((await call(client, "GET", "/v1/agent/self")).status).toBe(200);
  // A service that nobody brought a token for is not registered with a token that only reads.
  expect((await call(client, "PUT", "/v1/agent/service/register", undefined, { Name: "db" })).status).toBe(403);
  expect((await call(client, "PUT", "/v1/agent/token/default", undefined, { Token: "" })).status).toBe(403);
});
