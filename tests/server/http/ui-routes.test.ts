import { expect, test } from "bun:test";
import { createTestCatalog, type TestCatalog } from "./test-catalog.ts";

const ui = "/v1/internal/ui";

async function withMesh(): Promise<TestCatalog> {
  const catalog = createTestCatalog();
  const put = (body: object) =>
    catalog.send("PUT", "/v1/catalog/register", { Node: "n", Address: "10.0.0.1", ...body });
  await put({
    Service: { Service: "web", Tags: ["b", "a"], Meta: { "external-source": "kubernetes" } },
    Checks: [
      { CheckID: "node", Name: "alive", Status: "passing" },
      { CheckID: "web", Name: "ok", ServiceID: "web", Status: "warning" },
    ],
  });
  await put({
    Service: {
      Kind: "connect-proxy",
      Service: "web-proxy",
      Port: 1,
      Proxy: { DestinationServiceName: "web", Upstreams: [{ DestinationName: "db", LocalBindPort: 2 }] },
    },
  });
  await put({ Service: { Service: "db" } });
  return catalog;
}

test("nodes are shown with what is on them, and one that is not there is 404", async () => {
  const catalog = await withMesh();
  const { json } = await catalog.get(`${ui}/nodes`);
  expect(json).toMatchObject([{ Node: "n", Services: [{}, {}, {}], Checks: [{}, {}] }]);
  expect((await catalog.get(`${ui}/node/n`)).json).toMatchObject({ Node: "n", PeerName: "" });
  expect((await catalog.get(`${ui}/node/x`)).status).toBe(404);
});

test("services are shown with counts, tags, sources and whether they have a proxy", async () => {
  const catalog = await withMesh();
  const { json } = await catalog.get(`${ui}/services`);
  expect(json).toMatchObject([
    { Name: "db", InstanceCount: 1, ConnectedWithProxy: false },
    {
      Name: "web",
      Tags: ["a", "b"],
      Nodes: ["n"],
      ExternalSources: ["kubernetes"],
      ChecksPassing: 1,
      ChecksWarning: 1,
      ConnectedWithProxy: true,
    },
    { Name: "web-proxy", Kind: "connect-proxy" },
  ]);
});

test("?filter picks nodes, and services by their instances", async () => {
  const catalog = await withMesh();
  const names = async (path: string): Promise<unknown> => {
    const { status, json, body } = await catalog.get(`${ui}/${path}`);
    return status === 200 ? (json as { Name?: string; Node?: string }[]).map(({ Name, Node }) => Name ?? Node) : body;
  };
  expect(await names("nodes?filter=Node==n")).toEqual(["n"]);
  expect(await names("nodes?filter=Node==other")).toEqual([]);
  expect(await names("services?filter=Service.Tags+contains+a")).toEqual(["web"]);
  expect(await names("services?filter=Nothing==a")).toContain('Selector "Nothing" is not valid');
});

test("?filter is refused also where there is nothing to filter", async () => {
  const catalog = createTestCatalog();
  for (const path of ["nodes", "services"]) {
    const { status, body } = await catalog.get(`${ui}/${path}?filter=Nothing==a`);
    expect({ status, body }).toEqual({ status: 500, body: expect.stringContaining('Selector "Nothing" is not valid') });
  }
});

test("the overview counts nodes, services and checks by their worst status", async () => {
  const { json } = await (await withMesh()).get(`${ui}/catalog-overview`);
  expect(json).toMatchObject({
    Nodes: [{ Total: 1, Passing: 1 }],
    Services: [{ Name: "db", Passing: 1 }, { Name: "web", Warning: 1 }, { Name: "web-proxy" }],
    Checks: [
      { Name: "alive", Passing: 1 },
      { Name: "ok", Warning: 1 },
    ],
  });
});

test("a topology has what sidecars call, and who calls or may", async () => {
  const catalog = await withMesh();
  const intention = { Kind: "service-intentions", Name: "db", Sources: [{ Name: "job", Action: "allow" }] };
  await catalog.send("PUT", "/v1/config", intention);
  expect((await catalog.get(`${ui}/service-topology/web`)).json).toMatchObject({
    Protocol: "tcp",
    Upstreams: [{ Name: "db" }],
    Downstreams: [],
  });
  expect((await catalog.get(`${ui}/service-topology/db`)).json).toMatchObject({
    Upstreams: [],
    Downstreams: [{ Name: "job" }, { Name: "web" }],
  });
  expect((await catalog.get(`${ui}/gateway-intentions/db`)).json).toMatchObject([{ SourceName: "job" }]);
});

test("what is about other datacenters, peers and metrics is empty", async () => {
  const catalog = createTestCatalog();
  expect((await catalog.get("/v1/internal/federation-states")).body).toBe("[]");
  expect((await catalog.get("/v1/internal/federation-states/mesh-gateways")).body).toBe("{}");
  expect((await catalog.get(`${ui}/metrics-proxy/x/y`)).status).toBe(404);
});
