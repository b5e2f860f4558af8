import { expect } from "bun:test";
import { CaseTable } from "./case-table.ts";
import { type Answer, EchoMesh } from "./echo-mesh.ts";

/**
 * The mesh cases of the Gateway API's conformance suite for routing, by their names, said in routes of our document and sent
 * through both sidecars. What a case asks of Kubernetes (that a route attaches to a Service) is not shown here; where its rules
 * have an order of precedence, the routes stand in that order, as whoever makes the document has to sort them.
 */
const cases = new CaseTable(import.meta.path);

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

const headerModifier = {
  "/set": setX("set-overwrites-values"),
  "/add": { add: [{ name: "X-Header-Add", value: "add-appends-values" }] },
  "/remove": { remove: ["X-Header-Remove"] },
  "/multiple": {
    set: [
      { name: "X-Header-Set-1", value: "header-set-1" },
      { name: "X-Header-Set-2", value: "header-set-2" },
    ],
    add: [1, 2, 3].map((i) => ({ name: `X-Header-Add-${i}`, value: `header-add-${i}` })),
    remove: ["X-Header-Remove-1", "X-Header-Remove-2"],
  },
};

function showHeaderModifier(routes: readonly unknown[]): void {
  const mesh = new EchoMesh([{ routes }]);
  const at = (path: string, fields: Record<string, string>) => mesh.get(path, { fields }).seen?.fields ?? {};
  expect(at("/set", { "Some-Other-Header": "val" })).toMatchObject({
    "some-other-header": "val",
    "x-header-set": "set-overwrites-values",
  });
  expect(at("/set", { "x-header-set": "other" })["x-header-set"]).toBe("set-overwrites-values");
  expect(at("/add", {})["x-header-add"]).toBe("add-appends-values");
  expect(at("/add", { "X-Header-Add": "some-other-value" })["x-header-add"]).toBe(
    "some-other-value,add-appends-values",
  );
  expect(at("/remove", { "X-Header-Remove": "val" })["x-header-remove"]).toBeUndefined();
  const given = {
    "X-Header-Set-2": "set-val-2",
    "X-Header-Add-2": "add-val-2",
    "X-Header-Remove-2": "val",
    Another: "a",
  };
  const seen = at("/multiple", given);
  expect(seen).toMatchObject({
    "x-header-set-1": "header-set-1",
    "x-header-set-2": "header-set-2",
    "x-header-add-1": "header-add-1",
    "x-header-add-2": "add-val-2,header-add-2",
    "x-header-add-3": "header-add-3",
    another: "a",
  });
  expect(seen["x-header-remove-2"]).toBeUndefined();
}

cases.case("MeshHTTPRouteRequestHeaderModifier", "a route sets, adds and removes fields, in any case", () => {
  showHeaderModifier(
    Object.entries(headerModifier).map(([path, requestHeaders]) => ({
      match: segments(path),
      requestHeaders,
      forward: to("echo-v1"),
    })),
  );
});

cases.case("MeshHTTPRouteBackendRequestHeaderModifier", "so does a target", () => {
  showHeaderModifier(
    Object.entries(headerModifier).map(([path, requestHeaders]) => ({
      match: segments(path),
      forward: { targets: [{ cluster: "echo-v1", requestHeaders }] },
    })),
  );
});

cases.case("HTTPRouteResponseHeaderModifier", "fields of responses are set, added and removed", () => {
  const responseHeaders = {
    set: [{ name: "X-Header-Set", value: "set" }],
    add: [
      { name: "X-Backend", value: "more" },
      { name: "X-Header-Add", value: "add" },
    ],
    remove: ["server", "X-Absent"],
  };
  const { status, fields } = new EchoMesh([{ routes: [{ forward: to("echo-v1"), responseHeaders }] }]).get("/");
  expect(status).toBe(200);
  expect(fields).toMatchObject({ "x-header-set": "set", "x-header-add": "add", "x-backend": "echo-v1,more" });
  expect(fields["server"]).toBeUndefined();
  expect(new EchoMesh([{}]).get("/").fields["server"]).toBe("echo");
});

cases.case("MeshHTTPRouteRewritePath", "the prefix or the whole of a path is replaced, beside edits of fields", () => {
  const requestHeaders = {
    set: [{ name: "X-Header-Set", value: "set-overwrites-values" }],
    add: [
      { name: "X-Header-Add", value: "header-val-1" },
      { name: "X-Header-Add-Append", value: "header-val-2" },
    ],
    remove: ["X-Header-Remove"],
  };
  const route = (path: string, rewrite: unknown, more: object = {}): unknown => ({
    match: segments(path),
    rewrite,
    forward: to("echo-v1"),
    ...more,
  });
  const mesh = new EchoMesh([
    {
      routes: [
        route("/full/rewrite-path-and-modify-headers", { path: "/test" }, { requestHeaders }),
        route("/prefix/rewrite-path-and-modify-headers", { prefix: "/prefix" }, { requestHeaders }),
        route("/prefix", { prefix: "/" }),
        route("/strip-prefix", { prefix: "" }),
        route("/full", { path: "/one" }),
      ],
    },
  ]);
  const at = (path: string, fields: Record<string, string> = {}) => mesh.get(path, { fields }).seen;
  expect(at("/prefix/one/two")?.path).toBe("/one/two");
  expect(at("/strip-prefix/three")?.path).toBe("/three");
  expect(at("/strip-prefix")?.path).toBe("/");
  expect(at("/full/one/two?three")?.path).toBe("/one?three");
  const given = { "X-Header-Remove": "remove-val", "X-Header-Add-Append": "append-val-1", "X-Header-Set": "set-val" };
  for (const [path, expected] of [
    ["/full/rewrite-path-and-modify-headers/test", "/test"],
    ["/prefix/rewrite-path-and-modify-headers/one", "/prefix/one"],
  ] as const) {
    const seen = at(path, given);
    expect(seen).toMatchObject({
      path: expected,
      fields: {
        "x-header-set": "set-overwrites-values",
        "x-header-add": "header-val-1",
        "x-header-add-append": "append-val-1,header-val-2",
      },
    });
    expect(seen?.fields["x-header-remove"]).toBeUndefined();
  }
});

/** `redirects` by the path that they stand at; a request to each has to be answered with status and Location. */
function showRedirects(
  redirects: Readonly<Record<string, unknown>>,
  expected: readonly (readonly [path: string, status: number, location: string])[],
): void {
  // Rules with longer paths come first.
  const paths = Object.keys(redirects).sort((a, b) => b.length - a.length);
  const mesh = new EchoMesh([{ routes: paths.map((path) => ({ match: segments(path), redirect: redirects[path] })) }]);
  for (const [path, status, location] of expected) {
    const answer = mesh.get(path);
    expect([path, answer.status, answer.fields["location"], answer.seen]).toEqual([path, status, location, undefined]);
  }
}

cases.case("MeshHTTPRouteRedirectPath", "a redirect replaces the prefix or the whole of a path", () => {
  const prefixRewrite = "/replacement-prefix";
  showRedirects(
    {
      "/original-prefix": { prefixRewrite },
      "/full": { path: "/full-path-replacement" },
      "/path-and-host": { host: "example.org", prefixRewrite },
      "/path-and-status": { prefixRewrite, status: 301 },
      "/full-path-and-host": { host: "example.org", path: "/replacement-full" },
      "/full-path-and-status": { path: "/replacement-full", status: 301 },
    },
    [
      ["/original-prefix/lemon", 302, "http://echo/replacement-prefix/lemon"],
      ["/full/path/original", 302, "http://echo/full-path-replacement"],
      ["/path-and-host", 302, "http://example.org/replacement-prefix"],
      ["/path-and-status", 301, "http://echo/replacement-prefix"],
      ["/full-path-and-host", 302, "http://example.org/replacement-full"],
      ["/full-path-and-status", 301, "http://echo/replacement-full"],
    ],
  );
});

cases.case("MeshHTTPRouteRedirectPort", "a redirect names another port", () => {
  showRedirects(
    {
      "/port": { port: 8083 },
      "/port-and-host": { port: 8083, host: "example.org" },
      "/port-and-status": { port: 8083, status: 301 },
      "/port-and-host-and-status": { port: 8083, host: "example.org", status: 302 },
    },
    [
      ["/port", 302, "http://echo:8083/port"],
      ["/port-and-host", 302, "http://example.org:8083/port-and-host"],
      ["/port-and-status", 301, "http://echo:8083/port-and-status"],
      ["/port-and-host-and-status", 302, "http://example.org:8083/port-and-host-and-status"],
    ],
  );
});

cases.case("MeshHTTPRouteSchemeRedirect", "a redirect names another scheme", () => {
  showRedirects(
    {
      "/scheme": { scheme: "https" },
      "/scheme-and-host": { scheme: "https", host: "example.org" },
      "/scheme-and-status": { scheme: "https", status: 301 },
      "/scheme-and-host-and-status": { scheme: "https", host: "example.org", status: 302 },
    },
    [
      ["/scheme", 302, "https://echo/scheme"],
      ["/scheme-and-host", 302, "https://example.org/scheme-and-host"],
      ["/scheme-and-status", 301, "https://echo/scheme-and-status"],
      ["/scheme-and-host-and-status", 302, "https://example.org/scheme-and-host-and-status"],
    ],
  );
});

cases.case("MeshHTTPRouteRedirectHostAndStatus", "a redirect names another host and its status", () => {
  showRedirects(
    { "/hostname-redirect": { host: "example.org" }, "/host-and-status": { host: "example.org", status: 301 } },
    [
      ["/hostname-redirect", 302, "http://example.org/hostname-redirect"],
      ["/host-and-status", 301, "http://example.org/host-and-status"],
    ],
  );
});

for (const [status, path] of [
  [303, "/redirect"],
  [307, "/temporary"],
  [308, "/permanent"],
] as const) {
  cases.case(`MeshHTTPRoute${status}Redirect`, `a redirect may have status ${status}`, () => {
    showRedirects({ [path]: { status } }, [[path, status, `http://echo${path}`]]);
  });
}

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

cases.case(
  "MeshGRPCRouteRequestHeaderModifier",
  "metadata is set, added and removed, by service, method and field",
  () => {
    const call = { grpc: { service: "proto.EchoTestService", method: "Echo" } };
    const rule = (name: string, cluster: string, requestHeaders: unknown): unknown => ({
      match: { ...call, headers: [{ name: "x-test-case", type: "exact", value: name }] },
      requestHeaders,
      forward: to(cluster),
    });
    const mesh = new EchoMesh(
      [
        {
          unmatched: "reply-404",
          routes: [
            rule("set", "echo-v1", headerModifier["/set"]),
            rule("add", "echo-v1", headerModifier["/add"]),
            rule("remove", "echo-v1", headerModifier["/remove"]),
            rule("multi", "echo-v2", headerModifier["/multiple"]),
          ],
        },
      ],
      "grpc",
    );
    const at = (name: string, fields: Record<string, string>) =>
      mesh.call("/proto.EchoTestService/Echo", { fields: { "x-test-case": name, ...fields } }).seen;
    expect(at("set", { "some-other-header": "kept", "x-header-set": "overwritten" })).toMatchObject({
      backend: "echo-v1",
      fields: { "x-test-case": "set", "some-other-header": "kept", "x-header-set": "set-overwrites-values" },
    });
    expect(at("add", { "x-header-add": "first" })?.fields["x-header-add"]).toBe("first,add-appends-values");
    expect(at("remove", { "x-header-remove": "gone" })?.fields["x-header-remove"]).toBeUndefined();
    const multi = at("multi", { "x-header-set-2": "a", "x-header-add-2": "b", "x-header-remove-2": "c" });
    expect(multi).toMatchObject({
      backend: "echo-v2",
      fields: {
        "x-header-set-1": "header-set-1",
        "x-header-set-2": "header-set-2",
        "x-header-add-2": "b,header-add-2",
      },
    });
    expect(multi?.fields["x-header-remove-2"]).toBeUndefined();
    // A call that no rule is for is answered in gRPC's terms: unimplemented.
    expect(mesh.call("/proto.EchoTestService/Other", { fields: { "x-test-case": "set" } })).toMatchObject({
      status: 12,
      seen: undefined,
    });
  },
);
