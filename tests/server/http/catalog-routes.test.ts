import { expect, test } from "bun:test";
import { createTestCatalog, instanceBody } from "./test-catalog.ts";

test("a registered service is listed with every field that clients read, in their order", async () => {
  const catalog = createTestCatalog();
  const nodeId = "40e4a748-2192-161a-0510-9bf59fe950b5";
  await catalog.send("PUT", "/v1/catalog/register", {
    ID: nodeId,
    Node: "vm1",
    Address: "10.0.0.1",
    TaggedAddresses: { lan: "10.0.0.1" },
    NodeMeta: { env: "prod" },
    Service: {
      Service: "web",
      Port: 80,
      Tags: ["a"],
      Meta: { v: "1" },
      TaggedAddresses: { lan: { Address: "10.0.0.9", Port: 81 } },
    },
  });
  const { json } = await catalog.get("/v1/catalog/service/web");
  const expected = {
    ID: nodeId,
    Node: "vm1",
    Address: "10.0.0.1",
    Datacenter: "dc1",
    TaggedAddresses: { lan: "10.0.0.1" },
    NodeMeta: { env: "prod" },
    ServiceKind: "",
    ServiceID: "web",
    ServiceName: "web",
    ServiceTags: ["a"],
    ServiceAddress: "",
    ServiceTaggedAddresses: { lan: { Address: "10.0.0.9", Port: 81 } },
    ServiceWeights: { Passing: 1, Warning: 1 },
    ServiceMeta: { v: "1" },
    ServicePort: 80,
    ServiceSocketPath: "",
    ServiceEnableTagOverride: false,
    ServiceProxy: { Mode: "", MeshGateway: {}, Expose: {} },
    ServiceConnect: {},
    CreateIndex: 11,
    ModifyIndex: 11,
    Owner: "catalog",
  };
  expect(json).toEqual([expected]);
  expect(JSON.stringify(json)).toBe(JSON.stringify([expected]));
});

test("a sidecar shows its proxy block under health, catalog and both connect endpoints", async () => {
  const catalog = createTestCatalog();
  await catalog.send("PUT", "/v1/catalog/register", {
    Node: "vm1",
    Address: "10.0.0.1",
    Service: {
      Kind: "connect-proxy",
      Service: "web-sidecar-proxy",
      Port: 21000,
      Proxy: {
        DestinationServiceName: "web",
        DestinationServiceID: "web-1",
        LocalServiceAddress: "127.0.0.1",
        LocalServicePort: 8080,
        Upstreams: [{ DestinationName: "api", LocalBindPort: 9191 }],
      },
    },
  });
  const proxy = {
    DestinationServiceName: "web",
    DestinationServiceID: "web-1",
    LocalServiceAddress: "127.0.0.1",
    LocalServicePort: 8080,
    Mode: "",
    Upstreams: [
      {
        DestinationType: "service",
        DestinationName: "api",
        Datacenter: "",
        LocalBindPort: 9191,
        Config: {},
        MeshGateway: {},
      },
    ],
    MeshGateway: {},
    Expose: {},
  };
  expect((await catalog.get("/v1/catalog/connect/web")).json).toMatchObject([{ ServiceProxy: proxy }]);
  expect((await catalog.get("/v1/health/connect/web")).json).toMatchObject([
    { Service: { Kind: "connect-proxy", ID: "web-sidecar-proxy", Proxy: proxy } },
  ]);
  expect((await catalog.get("/v1/health/service/web")).json).toEqual([]);
});

test("health and catalog list the same instances in the same order, node checks before the instance's", async () => {
  const catalog = createTestCatalog();
  for (const [node, id] of [
    ["vm2", "b"],
    ["vm1", "z"],
    ["vm1", "a"],
  ] as const) {
    await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node, service: "web", id }));
  }
  await catalog.send("PUT", "/v1/catalog/register", {
    Node: "vm1",
    Address: "10.0.0.1",
    SkipNodeUpdate: true,
    Check: { CheckID: "serfHealth", Name: "Serf Health Status", Status: "passing" },
  });
  const services = (await catalog.get("/v1/catalog/service/web")).json;
  const entries = (await catalog.get("/v1/health/service/web")).json;
  expect(services).toMatchObject([
    { Node: "vm1", ServiceID: "a" },
    { Node: "vm1", ServiceID: "z" },
    { Node: "vm2", ServiceID: "b" },
  ]);
  expect(entries).toMatchObject([
    { Node: { Node: "vm1" }, Service: { ID: "a" }, Checks: [{ CheckID: "serfHealth" }, { CheckID: "service:a" }] },
    { Node: { Node: "vm1" }, Service: { ID: "z" }, Checks: [{ CheckID: "serfHealth" }, { CheckID: "service:z" }] },
    { Node: { Node: "vm2" }, Service: { ID: "b" }, Checks: [{ CheckID: "service:b" }] },
  ]);
});

test("tags are compared without case and all of them are needed; node-meta pairs too", async () => {
  const catalog = createTestCatalog();
  await catalog.send(
    "PUT",
    "/v1/catalog/register",
    instanceBody({ node: "vm1", service: "web", id: "1", tags: ["V1", "blue"], nodeMeta: { env: "prod", rack: "1" } }),
  );
  await catalog.send(
    "PUT",
    "/v1/catalog/register",
    instanceBody({ node: "vm2", service: "web", id: "2", tags: ["v1"], nodeMeta: { env: "dev" } }),
  );
  const ids = async (query: string): Promise<unknown> => {
    const { json } = await catalog.get(`/v1/catalog/service/web?${query}`);
    return Array.isArray(json) ? json.map((entry) => entry.ServiceID) : json;
  };
  expect(await ids("tag=v1")).toEqual(["1", "2"]);
  expect(await ids("tag=v1&tag=BLUE")).toEqual(["1"]);
  expect(await ids("tag=green")).toEqual([]);
  expect(await ids("node-meta=env:prod")).toEqual(["1"]);
  expect(await ids("node-meta=env:prod&node-meta=rack:2")).toEqual([]);
  expect((await catalog.get("/v1/catalog/services")).json).toEqual({ web: ["V1", "blue", "v1"] });
  expect((await catalog.get("/v1/catalog/services?node-meta=env:dev")).json).toEqual({ web: ["v1"] });
  expect((await catalog.get("/v1/catalog/nodes?node-meta=env:dev")).json).toMatchObject([{ Node: "vm2" }]);
});

test("?passing keeps instances whose every check passes", async () => {
  const catalog = createTestCatalog();
  for (const status of ["passing", "warning", "critical"]) {
    await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: status, service: "web", status }));
  }
  expect((await catalog.get("/v1/health/service/web")).json).toHaveLength(3);
  expect((await catalog.get("/v1/health/service/web?passing")).json).toMatchObject([{ Node: { Node: "passing" } }]);
  expect((await catalog.get("/v1/health/service/web?passing=false")).json).toHaveLength(3);
  expect(await catalog.get("/v1/health/service/web?passing=maybe")).toMatchObject({
    status: 400,
    body: "Invalid value for ?passing",
  });
});

test("a node is answered with its services as a map or a list, an unknown one as null", async () => {
  const catalog = createTestCatalog();
  await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: "vm1", service: "web" }));
  expect((await catalog.get("/v1/catalog/node/vm1")).json).toMatchObject({
    Node: { Node: "vm1", Meta: {}, CreateIndex: 11 },
    Services: { web: { ID: "web", Service: "web", Tags: [], Weights: { Passing: 1, Warning: 1 } } },
  });
  expect((await catalog.get("/v1/catalog/node-services/vm1")).json).toMatchObject({ Services: [{ ID: "web" }] });
  const unknown = await catalog.get("/v1/catalog/node/nobody");
  expect(unknown).toMatchObject({ status: 200, body: "null" });
  expect((await catalog.get("/v1/catalog/node-services/nobody")).json).toEqual({ Node: null, Services: [] });
});

test("checks are listed by node, by service and by state", async () => {
  const catalog = createTestCatalog();
  await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: "vm1", service: "web", tags: ["a"] }));
  await catalog.send(
    "PUT",
    "/v1/catalog/register",
    instanceBody({ node: "vm2", service: "api", status: "critical", nodeMeta: { k: "v" } }),
  );
  const web = {
    Node: "vm1",
    CheckID: "service:web",
    Name: "web alive",
    Status: "passing",
    Notes: "",
    Output: "",
    ServiceID: "web",
    ServiceName: "web",
    ServiceTags: ["a"],
    Type: "",
    Interval: "",
    Timeout: "",
    ExposedPort: 0,
    Definition: {},
    CreateIndex: 11,
    ModifyIndex: 11,
    Owner: "catalog",
  };
  expect((await catalog.get("/v1/health/node/vm1")).json).toEqual([web]);
  expect((await catalog.get("/v1/health/checks/web")).json).toEqual([web]);
  expect((await catalog.get("/v1/health/state/critical")).json).toMatchObject([{ CheckID: "service:api" }]);
  expect((await catalog.get("/v1/health/state/any")).json).toHaveLength(2);
  expect((await catalog.get("/v1/health/state/any?node-meta=k:v")).json).toMatchObject([{ Node: "vm2" }]);
  expect((await catalog.get("/v1/health/state/fine")).status).toBe(400);
});

test("an empty name in the path is a 400 in Consul's words", async () => {
  const catalog = createTestCatalog();
  expect(await catalog.get("/v1/health/service/")).toMatchObject({ status: 400, body: "Missing service name" });
  expect(await catalog.get("/v1/catalog/service/")).toMatchObject({ status: 400, body: "Missing service name" });
  expect(await catalog.get("/v1/catalog/node/")).toMatchObject({ status: 400, body: "Missing node name" });
});

test("datacenters and the status of the log are answered", async () => {
  const catalog = createTestCatalog();
  expect((await catalog.get("/v1/catalog/datacenters")).json).toEqual(["dc1"]);
  expect((await catalog.get("/v1/status/leader")).body).toBe('"127.0.0.1:8300"');
  expect((await catalog.get("/v1/status/peers")).json).toEqual(["127.0.0.1:8300"]);
  catalog.loseLeader();
  expect((await catalog.get("/v1/status/leader")).body).toBe('""');
});

test("reads without a leader fail in the default mode and are answered stale on request", async () => {
  const catalog = createTestCatalog();
  await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: "vm1", service: "web" }));
  catalog.loseLeader();
  expect(await catalog.get("/v1/catalog/nodes")).toMatchObject({ status: 500, body: "No cluster leader" });
  expect(await catalog.get("/v1/catalog/nodes?consistent")).toMatchObject({ status: 500 });
  const stale = await catalog.get("/v1/catalog/nodes?stale");
  expect(stale.json).toHaveLength(1);
  expect(stale.headers).toMatchObject({
    "x-consul-knownleader": "false",
    "x-consul-lastcontact": "1234",
    "x-consul-effective-consistency": "stale",
  });
});

test("a consistent read asks the log first and says so; the default one is the leader's memory", async () => {
  const catalog = createTestCatalog();
  const plain = await catalog.get("/v1/catalog/nodes");
  expect(plain.headers["x-consul-effective-consistency"]).toBe("leader");
  expect(catalog.readIndexCalls()).toBe(0);
  const consistent = await catalog.get("/v1/catalog/nodes?consistent");
  expect(consistent.headers["x-consul-effective-consistency"]).toBe("consistent");
  expect(catalog.readIndexCalls()).toBe(1);
});

test("a sameness group is refused as by the community edition; another cluster has nothing for us", async () => {
  const catalog = createTestCatalog();
  await catalog.send("PUT", "/v1/catalog/register", instanceBody({ node: "a", service: "web" }));
  const refused = await catalog.get("/v1/health/service/web?sg=group");
  expect(refused).toMatchObject({ status: 400, body: expect.stringContaining("Consul Enterprise feature") });
  for (const path of ["health/service/web", "health/node/a", "catalog/service/web", "catalog/nodes"]) {
    expect((await catalog.get(`/v1/${path}?peer=other`)).json).toEqual([]);
  }
  expect((await catalog.get("/v1/catalog/node/a?peer=other")).json).toBeNull();
  expect((await catalog.get("/v1/catalog/services?peer=other")).json).toEqual({});
});

test("ACL endpoints say that ACLs are off", async () => {
  const catalog = createTestCatalog();
  expect(await catalog.get("/v1/acl/tokens")).toMatchObject({ status: 401, body: "ACL support disabled" });
  expect(await catalog.send("PUT", "/v1/acl/token", {})).toMatchObject({ status: 401 });
  expect(await catalog.send("DELETE", "/v1/acl/tokens")).toMatchObject({ status: 405 });
});
