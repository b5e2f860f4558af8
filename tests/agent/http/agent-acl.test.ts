import { expect, test } from "bun:test";
import type { Access, Authorizer, Resource } from "../../../lib/acl/authorizer.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { check, service } from "../test-registrations.ts";
import { type Method, startTestAgentApp, type TestAgentApp } from "./test-agent-app.ts";

/** What a token may do: `service:write web`, or `operator:read` for what has no name. */
function tokenOf(...rules: readonly string[]): Authorizer {
  const allows = (resource: Resource, access: Access, name = ""): boolean =>
    rules.includes(`${resource}:${access} ${name}`.trim()) ||
    (access === "read" && rules.includes(`${resource}:write ${name}`.trim()));
  return {
    key: rules.join(),
    isUnrestricted: false,
    allows,
    allowsAll: () => false,
    allowsAny: () => false,
    accessorId: "a-1",
  };
}

const leaf = {
  service: "web",
  spiffeId: "",
  serialNumber: "",
  certPem: "",
  privateKeyPem: "KEY",
  notBefore: "",
  notAfter: "",
  createIndex: 1,
  modifyIndex: 1,
};

async function start(dataDir: string, authorizer: Authorizer): Promise<TestAgentApp> {
  const app = await startTestAgentApp({
    dataDir,
    authorizer,
    isAclEnabled: true,
    certificates: {
      leaf: async () => ({ index: 1, value: leaf, isCached: true }),
      caRoots: async () => ({ index: 1, value: { activeRootId: "", trustDomain: "x", roots: [] } }),
    },
    intentions: async () => ({ rules: [], defaultAction: "allow" }),
  });
  const byApi = { replaceExistingChecks: false, isPersisted: true };
  await app.agent.registrar.registerService(service({ Name: "web", Check: { CheckID: "beat", TTL: "1h" } }), byApi);
  await app.agent.registrar.registerService(service({ Name: "db" }), byApi);
  await app.agent.registrar.registerCheck(check({ Name: "disk", TTL: "1h" }), byApi);
  return app;
}

const proxy = { Kind: "connect-proxy", Name: "p", Port: 1, Proxy: { DestinationServiceName: "db" } };
const uri = "spiffe://x/ns/default/dc/dc1/svc/web";

const routes: readonly (readonly [Method, string, readonly string[], object?])[] = [
  ["GET", "/v1/agent/self", ["agent:read vm1"]],
  ["GET", "/v1/agent/metrics", ["agent:read vm1"]],
  ["GET", "/v1/agent/metrics?format=prometheus", ["agent:read vm1"]],
  ["GET", "/v1/agent/host", ["operator:read"]],
  ["PUT", "/v1/agent/reload", ["agent:write vm1"]],
  ["PUT", "/v1/agent/maintenance?enable=true", ["node:write vm1"]],
  ["PUT", "/v1/agent/token/agent", ["agent:write vm1"], { Token: "t" }],
  ["GET", "/v1/agent/service/web", ["service:read web"]],
  ["PUT", "/v1/agent/service/register", ["service:write new"], { Name: "new" }],
  ["PUT", "/v1/agent/service/register", ["service:write new", "service:write web"], { Name: "new", ID: "web" }],
  ["PUT", "/v1/agent/service/register", ["service:write p", "service:write db"], proxy],
  [
    "PUT",
    "/v1/agent/service/register",
    ["service:write new", "service:write new-sidecar-proxy"],
    { Name: "new", Port: 1, Connect: { SidecarService: {} } },
  ],
  [
    "PUT",
    "/v1/agent/service/register",
    ["service:write new", "service:write web", "node:write vm1"],
    {
      Name: "new",
      Checks: [
        { CheckID: "beat", TTL: "1h" },
        { CheckID: "disk", TTL: "1h" },
      ],
    },
  ],
  ["PUT", "/v1/agent/service/deregister/web", ["service:write web"]],
  ["PUT", "/v1/agent/service/maintenance/web?enable=true", ["service:write web"]],
  ["PUT", "/v1/agent/check/register", ["node:write vm1"], { Name: "c", TTL: "1h" }],
  ["PUT", "/v1/agent/check/register", ["service:write web"], { Name: "c", TTL: "1h", ServiceID: "web" }],
  [
    "PUT",
    "/v1/agent/check/register",
    ["service:write db", "service:write web"],
    { ID: "beat", Name: "c", TTL: "1h", ServiceID: "db" },
  ],
  ["PUT", "/v1/agent/check/deregister/disk", ["node:write vm1"]],
  ["PUT", "/v1/agent/check/pass/beat", ["service:write web"]],
  ["PUT", "/v1/agent/check/warn/disk", ["node:write vm1"]],
  ["PUT", "/v1/agent/check/fail/beat", ["service:write web"]],
  ["PUT", "/v1/agent/check/update/beat", ["service:write web"], { Status: "passing" }],
  ["GET", "/v1/agent/health/service/id/web?format=text", ["service:read web"]],
  ["GET", "/v1/agent/health/service/name/web?format=text", ["service:read web"]],
  ["GET", "/v1/agent/connect/ca/leaf/web", ["service:write web"]],
  ["POST", "/v1/agent/connect/authorize", ["service:write db"], { Target: "db", ClientCertURI: uri }],
];

for (const [method, path, rules, body] of routes) {
  test(`${method} ${path} needs ${rules.join(" and ")} and nothing else`, async () => {
    for (const missing of rules) {
      using dir = createTempDir();
      const app = await start(dir.path, tokenOf(...rules.filter((rule) => rule !== missing)));
      const before = JSON.stringify([...app.agent.state.services(), ...app.agent.state.checks()]);
      const answer = await app.call(method, path, body);
      const [permission = "", name = ""] = missing.split(" ");
      const on = name === "" ? "" : ` on "${name}"`;
      expect(`${answer.status} ${answer.text}`).toContain(
        `403 Permission denied: token with AccessorID 'a-1' lacks permission '${permission}'${on}`,
      );
      expect(JSON.stringify([...app.agent.state.services(), ...app.agent.state.checks()])).toBe(before);
      await app.stop();
    }
    using dir = createTempDir();
    const app = await start(dir.path, tokenOf(...rules));
    expect([403, 404, 500]).not.toContain((await app.call(method, path, body)).status);
    await app.stop();
  });
}

test("lists have what the token may read, roots and the version everybody may", async () => {
  using dir = createTempDir();
  const app = await start(dir.path, tokenOf("service:read web"));
  expect(Object.keys((await app.call("GET", "/v1/agent/services")).json())).toEqual(["web"]);
  expect(Object.keys((await app.call("GET", "/v1/agent/checks")).json())).toEqual(["beat"]);
  expect((await app.call("GET", "/v1/agent/connect/ca/roots")).status).toBe(200);
  expect((await app.call("GET", "/v1/agent/version")).status).toBe(200);
  const hidden = (await app.app.inject({ url: "/v1/agent/members", headers: { "x-consul-token": "t" } })).headers;
  expect((await app.call("GET", "/v1/agent/members")).text).toBe("[]");
  expect(hidden["x-consul-results-filtered-by-acls"]).toBe("true");
  await app.stop();
  const node = await start(dir.path, tokenOf("node:read vm1"));
  expect((await node.call("GET", "/v1/agent/members")).text).toContain("vm1");
  expect(Object.keys((await node.call("GET", "/v1/agent/checks")).json())).toEqual(["disk"]);
  await node.stop();
});

test.each(["/v1/agent/monitor", "/v1/agent/metrics/stream"])(
  "%s is no stream for who may not read the agent",
  async (path) => {
    using dir = createTempDir();
    const app = await start(dir.path, tokenOf());
    expect((await app.call("GET", path)).text).toContain("lacks permission 'agent:read' on \"vm1\"");
    await app.stop();
  },
);
