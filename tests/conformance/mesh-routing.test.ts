import { expect } from "bun:test";
import { CaseTable } from "./case-table.ts";
import { type Answer, EchoMesh } from "./echo-mesh.ts";

/**
 * The mesh cases of the Gateway API's conformance suite for routing, by their names, said in routes of our document and sent
 * through both sidecars. What a case asks of Kubernetes (that a route attaches to a Service) is not shown here; where its rules
 * have an order of precedence, the routes stand in that order, as whoever makes the document has to sort them.
 */
const cases = new CaseTable();

const to = (...clusters: readonly string[]): unknown => ({ targets: clusters.map((cluster) => ({ cluster })) });
const segments = (value: string): object => ({ path: { type: "path-prefix", value } });
const query = (value: string): unknown => [{ name: "animal", type: "exact", value }];
const version = (value: string): unknown => [{ name: "version", type: "exact", value }];
const setX = (value: string): unknown => ({ set: [{ name: "X-Header-Set", value }] });

/** Which application took a request, or the status of the proxy's own answer. */
function taker({ seen, status }: Answer): string | number {
  return seen?.backend ?? status;
}

cases.case("MeshBasic", "a client reaches a service without any routes", () => {
  const { status, seen } = new EchoMesh([{}]).get("/");
  expect([status, seen?.path]).toEqual([200, "/"]);
});

cases.case("MeshFrontend", "a route is for its service, not for whoever the instances are called by", () => {
  const mesh = new EchoMesh([
    { service: "echo-v2", routes: [{ responseHeaders: setX("set") }] },
    { service: "echo-v2-instance", listen: "127.0.0.1:15001", endpoints: [{ address: "127.0.0.1:20001" }] },
  ]);
  const service = mesh.get("/", { host: "echo-v2" });
  expect([taker(service), service.fields["x-header-set"]]).toEqual(["echo-v2", "set"]);
  const instance = mesh.get("/", { port: 15001, host: "10.0.0.2:8080" });
  expect([taker(instance), instance.fields["x-header-set"]]).toEqual(["echo-v2", undefined]);
});

cases.case("MeshFrontendHostname", "the address that is called decides, not the Host that is claimed", () => {
  const mesh = new EchoMesh([
    { service: "echo-v1" },
    { service: "echo-v2", listen: "127.0.0.1:15001", routes: [{ responseHeaders: setX("set") }] },
  ]);
  const wrong = mesh.get("/", { port: 15001, host: "echo-v1" });
  expect([taker(wrong), wrong.fields["x-header-set"]]).toEqual(["echo-v2", "set"]);
  const other = mesh.get("/", { host: "echo-v2" });
  expect([taker(other), other.fields["x-header-set"]]).toEqual(["echo-v1", undefined]);
});

cases.case("MeshPorts", "a route may be for one port of its service, or for all", () => {
  const both = { responseHeaders: setX("v2") };
  const mesh = new EchoMesh([
    { service: "echo-v1", routes: [{ responseHeaders: setX("v1") }] },
    { service: "echo-v1", listen: "127.0.0.1:15001" },
    { service: "echo-v2", listen: "127.0.0.1:15002", routes: [both] },
    { service: "echo-v2", listen: "127.0.0.1:15003", routes: [both] },
  ]);
  const answers = [15000, 15001, 15002, 15003].map((port) => mesh.get("/", { port }));
  expect(answers.map(taker)).toEqual(["echo-v1", "echo-v1", "echo-v2", "echo-v2"]);
  expect(answers.map(({ fields }) => fields["x-header-set"])).toEqual(["v1", undefined, "v2", "v2"]);
});

cases.case(
  "MeshPorts by authority",
  "one listener for several ports tells them apart by the port in the authority",
  () => {
    const routes = [{ match: { hosts: ["*:80"] }, responseHeaders: setX("80") }];
    const mesh = new EchoMesh([{ service: "echo-v1", routes }]);
    expect(mesh.get("/", { host: "echo-v1:80" }).fields["x-header-set"]).toBe("80");
    expect(mesh.get("/", { host: "echo-v1:8080" }).fields["x-header-set"]).toBeUndefined();
  },
);

cases.case("MeshTrafficSplit", "the paths of one service go to two versions of it", () => {
  const routes = ["v1", "v2"].map((v) => ({
    match: { path: { type: "exact", value: `/${v}` } },
    forward: to(`echo-${v}`),
  }));
  const mesh = new EchoMesh([{ routes, unmatched: "reply-404" }]);
  expect(["/v1", "/v2", "/v3"].map((path) => taker(mesh.get(path)))).toEqual(["echo-v1", "echo-v2", 404]);
});

cases.case("MeshConsumerRoute", "a consumer's route is in its own sidecar and in nobody else's", () => {
  const consumer = new EchoMesh([{ service: "echo-v1", routes: [{ responseHeaders: setX("set") }] }]);
  const producer = new EchoMesh([{ service: "echo-v1" }]);
  const answers = [consumer, producer].map((mesh) => mesh.get("/", { host: "echo-v1.gateway-conformance-mesh" }));
  expect(answers.map(taker)).toEqual(["echo-v1", "echo-v1"]);
  expect(answers.map(({ fields }) => fields["x-header-set"])).toEqual(["set", undefined]);
});

cases.case("MeshHTTPRouteSimpleSameNamespace", "a route without conditions takes every request", () => {
  const mesh = new EchoMesh([{ routes: [{ forward: to("echo-v1") }] }]);
  expect(Array.from({ length: 5 }, () => taker(mesh.get("/")))).toEqual(Array.from({ length: 5 }, () => "echo-v1"));
});

cases.case("MeshHTTPRouteMatching", "paths by segments and fields choose the version", () => {
  const mesh = new EchoMesh([
    {
      unmatched: "reply-404",
      routes: [
        { match: segments("/v2"), forward: to("echo-v2") },
        { match: { headers: version("two") }, forward: to("echo-v2") },
        { match: segments("/"), forward: to("echo-v1") },
      ],
    },
  ]);
  for (const path of ["/", "/example", "/v2example", "/foo/v2/example"]) expect(taker(mesh.get(path))).toBe("echo-v1");
  for (const path of ["/v2", "/v2/example", "/v2/"]) expect(taker(mesh.get(path))).toBe("echo-v2");
  expect(taker(mesh.get("/", { fields: { Version: "one" } }))).toBe("echo-v1");
  expect(taker(mesh.get("/", { fields: { Version: "two" } }))).toBe("echo-v2");
});

cases.case("MeshHTTPRouteQueryParamMatching", "parameters of the query choose, alone and with all else", () => {
  const route = (match: object, cluster: string): unknown => ({ match, forward: to(cluster) });
  const mesh = new EchoMesh([
    {
      unmatched: "reply-404",
      routes: [
        route({ ...segments("/path5"), query: query("hydra") }, "echo-v1"),
        route({ ...segments("/path4"), headers: version("three"), query: query("kraken") }, "echo-v1"),
        route({ ...segments("/path3"), query: query("shark") }, "echo-v1"),
        route({ ...segments("/path1"), query: query("whale") }, "echo-v1"),
        route({ headers: version("one"), query: query("whale") }, "echo-v2"),
        route({ query: query("whale") }, "echo-v1"),
        route({ query: query("dolphin") }, "echo-v2"),
        route({ query: query("hydra") }, "echo-v2"),
      ],
    },
  ]);
  const at = (path: string, fields: Record<string, string> = {}): string | number => taker(mesh.get(path, { fields }));
  expect(["/?animal=whale", "/?animal=whale&other=x"].map((path) => at(path))).toEqual(["echo-v1", "echo-v1"]);
  expect(["/?animal=dolphin", "/?animal=dolphin&color=yellow"].map((path) => at(path))).toEqual(["echo-v2", "echo-v2"]);
  for (const path of ["/", "/?color=blue", "/?animal=dog", "/?animal=whaledolphin"]) expect(at(path)).toBe(404);
  expect(at("/path1?animal=whale")).toBe("echo-v1");
  expect(at("/?animal=whale", { version: "one" })).toBe("echo-v2");
  expect(at("/path3?animal=shark")).toBe("echo-v1");
  expect(at("/path4?animal=kraken", { version: "three" })).toBe("echo-v1");
  for (const path of ["/?animal=shark", "/path4?animal=kraken"]) expect(at(path)).toBe(404);
  expect([at("/path5?animal=hydra"), at("/?animal=hydra")]).toEqual(["echo-v1", "echo-v2"]);
});

cases.case("MeshHTTPRouteWeight", "requests are spread as the weights say, within 5 % of 500", () => {
  const targets = [
    { cluster: "echo-v1", weight: 70 },
    { cluster: "echo-v2", weight: 30 },
  ];
  const mesh = new EchoMesh([{ routes: [{ forward: { targets } }] }]);
  const takers = Array.from({ length: 500 }, (_, i) => taker(mesh.get("/", { fields: { "X-Jitter": `${i % 7}` } })));
  expect(Math.abs(takers.filter((name) => name === "echo-v1").length / 500 - 0.7)).toBeLessThan(0.05);
  expect(takers.every((name) => name === "echo-v1" || name === "echo-v2")).toBe(true);
});

cases.case("MeshHTTPRouteNamedRule", "a rule may have a name or none", () => {
  const mesh = new EchoMesh([
    {
      routes: [
        { name: "named-rule", match: segments("/named"), forward: to("echo-v1") },
        { match: segments("/unnamed"), forward: to("echo-v2") },
      ],
    },
  ]);
  expect(["/named", "/unnamed"].map((path) => taker(mesh.get(path)))).toEqual(["echo-v1", "echo-v2"]);
});

cases.case("MeshGRPCRouteWeight", "calls on one connection are spread as the weights say, within 5 % of 500", () => {
  const targets = [
    { cluster: "echo-v1", weight: 70 },
    { cluster: "echo-v2", weight: 30 },
  ];
  const mesh = new EchoMesh([{ routes: [{ match: { grpc: {} }, forward: { targets } }] }], "grpc");
  const answers = Array.from({ length: 500 }, () => mesh.call("/proto.EchoTestService/Echo"));
  const first = answers.filter((answer) => taker(answer) === "echo-v1");
  expect(Math.abs(first.length / 500 - 0.7)).toBeLessThan(0.05);
  expect(answers.every(({ status, seen }) => status === 0 && seen !== undefined)).toBe(true);
});
