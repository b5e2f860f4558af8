import { expect } from "bun:test";
import { CaseTable } from "./case-table.ts";
import { EchoMesh } from "./echo-mesh.ts";

/** As `mesh-routing.test.ts`: the cases that change requests and responses. */
const cases = new CaseTable();

const to = (...clusters: readonly string[]): unknown => ({ targets: clusters.map((cluster) => ({ cluster })) });
const segments = (value: string): object => ({ path: { type: "path-prefix", value } });
const setX = (value: string): unknown => ({ set: [{ name: "X-Header-Set", value }] });

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
