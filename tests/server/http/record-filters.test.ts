import { describe, expect, test } from "bun:test";
import { createTestCatalog, instanceBody, type TestCatalog } from "./test-catalog.ts";

async function filled(): Promise<TestCatalog> {
  const catalog = createTestCatalog();
  const put = (body: object): Promise<unknown> => catalog.send("PUT", "/v1/catalog/register", body);
  await put(instanceBody({ node: "a", service: "web", tags: ["v1", "eu"], nodeMeta: { zone: "z1" } }));
  await put(instanceBody({ node: "b", service: "web", tags: ["v2"], nodeMeta: { zone: "z2" }, status: "critical" }));
  await put(instanceBody({ node: "b", service: "api", tags: ["v2"], nodeMeta: { zone: "z2" } }));
  await put({
    Node: "a",
    Address: "10.0.0.1",
    SkipNodeUpdate: true,
    Service: {
      Kind: "connect-proxy",
      Service: "web-proxy",
      Port: 21000,
      Meta: { owner: "x" },
      Proxy: { DestinationServiceName: "web", Upstreams: [{ DestinationName: "api", LocalBindPort: 9000 }] },
    },
  });
  await catalog.send("PUT", "/v1/config", { Kind: "service-defaults", Name: "web", Protocol: "http" });
  await catalog.send("PUT", "/v1/config", { Kind: "service-defaults", Name: "api", Protocol: "grpc" });
  for (const source of ["web", "api"]) {
    await catalog.send("PUT", `/v1/connect/intentions/exact?source=${source}&destination=db`, { Action: "allow" });
  }
  return catalog;
}

function namesIn(json: unknown): unknown {
  if (!Array.isArray(json)) {
    const { Services } = typeof json === "object" && json !== null && "Services" in json ? json : { Services: json };
    if (Array.isArray(Services)) return namesIn(Services);
    return Object.keys(Services ?? {});
  }
  return json.map(
    ({ Node, Service, ServiceName, Name, SourceName, ServiceID }) =>
      SourceName ??
      (typeof Node === "object" ? Node.Node : (Service ?? (Node && ServiceName ? Node : (Node ?? Name ?? ServiceID)))),
  );
}

describe("?filter keeps the records that match", () => {
  test.each([
    ["catalog/nodes", "Meta.zone == z2", ["b"]],
    ["catalog/nodes", "Node matches `^[ab]$` and not Meta.zone == z2", ["a"]],
    ["catalog/service/web", "ServiceTags contains eu", ["a"]],
    ["catalog/service/web", "NodeMeta.zone != z1", ["b"]],
    ["catalog/service/web", "Node == a or ServicePort == 1", ["a"]],
    ["catalog/service/web-proxy", 'ServiceProxy.DestinationServiceName == "web" and ServiceMeta.owner == x', ["a"]],
    ["catalog/service/web-proxy", "ServiceProxy.Upstreams.LocalBindPort == 9001", []],
    ["catalog/connect/web", "ServiceKind == connect-proxy", ["a"]],
    ["catalog/node/a", "Service == web", ["web"]],
    ["catalog/node-services/a", "Port == 21000", ["web-proxy"]],
    ["catalog/services", "NodeMeta.zone == z2", ["api", "web"]],
    ["catalog/services", "ServiceTags is empty", ["web-proxy"]],
    ["health/service/web", "Checks.Status == critical", ["b"]],
    ["health/service/web", "Node.Node == a and v1 in Service.Tags", ["a"]],
    ["health/connect/web", "Service.Proxy.Upstreams.DestinationName == api", ["a"]],
    ["health/ingress/web", "Service.Port == 1", []],
    ["health/node/b", "Status == critical", ["b"]],
    ["health/checks/web", "ServiceTags contains v1", ["a"]],
    ["health/state/any", "ServiceName == api", ["b"]],
    ["config/service-defaults", "Protocol == grpc", ["api"]],
    ["connect/intentions", "SourceName == web and Precedence == 9", ["web"]],
  ])("of %s: %s", async (path, filter, expected) => {
    const catalog = await filled();
    const answer = await catalog.get(`/v1/${path}?filter=${encodeURIComponent(filter)}`);
    expect({ status: answer.status, body: answer.status === 200 ? "" : answer.body }).toEqual({
      status: 200,
      body: "",
    });
    expect(namesIn(answer.json)).toEqual(expected);
  });
});

test("services keep only the tags of the instances that match", async () => {
  const catalog = await filled();
  expect((await catalog.get("/v1/catalog/services?filter=NodeMeta.zone==z1")).json).toEqual({
    web: ["eu", "v1"],
    "web-proxy": [],
  });
  expect((await catalog.get("/v1/catalog/services?filter=Node!=``&node-meta=zone:z2")).json).toEqual({
    api: ["v2"],
    web: ["v2"],
  });
});

test("an expression that cannot be read is refused with 500 in Consul's words, before anything waits", async () => {
  const catalog = await filled();
  for (const [path, filter] of [
    ["catalog/nodes", "Nod == a"],
    ["health/service/web", "Checks.Status = passing"],
    ["health/state/passing", "Node.Meta.zone == a"],
    ["catalog/services", "ServiceTags =="],
  ] as const) {
    const url = `/v1/${path}?index=1000&filter=${encodeURIComponent(filter)}`;
    const answer = await catalog.get(url);
    expect(answer.status).toBe(500);
    expect(answer.body).toStartWith("Failed to create boolean expression evaluator: ");
  }
  const kind = await catalog.get("/v1/config/proxy-defaults?filter=Name==a");
  expect(kind).toMatchObject({ status: 500, body: "filtering not supported for config entry kind=proxy-defaults" });
});

test("watchers of filtered services are woken by what the filter may look at", async () => {
  const catalog = await filled();
  const { index } = await catalog.get("/v1/catalog/services?filter=ServiceMeta.colour==red");
  const blocked = catalog.get(`/v1/catalog/services?filter=ServiceMeta.colour==red&index=${index}&wait=1m`);
  await new Promise((resolve) => setImmediate(resolve));
  const Service = { Service: "web", Port: 80, Tags: ["v1", "eu"], Meta: { colour: "red" } };
  await catalog.send("PUT", "/v1/catalog/register", { Node: "a", Address: "10.0.0.1", SkipNodeUpdate: true, Service });
  const woken = await blocked;
  expect(woken.json).toEqual({ web: ["eu", "v1"] });
  expect(woken.index).toBeGreaterThan(index);
});
