import { expect, test } from "bun:test";
import { createTestCatalog } from "./test-catalog.ts";

test("each kind is written, listed, read and deleted as Consul answers it", async () => {
  const catalog = createTestCatalog();
  const written = await catalog.send("PUT", "/v1/config", { Kind: "service-defaults", Name: "web", Protocol: "HTTP" });
  expect(written).toMatchObject({ status: 200, body: "true" });
  await catalog.send("PUT", "/v1/config", { kind: "proxy-defaults", name: "global", config: { protocol: "http" } });
  await catalog.send("PUT", "/v1/config", {
    Kind: "service-intentions",
    Name: "web",
    Sources: [
      { Name: "*", Action: "deny" },
      { Name: "api", Action: "allow", Description: "needed" },
    ],
    Meta: { team: "blue" },
  });
  expect((await catalog.get("/v1/config/service-defaults")).json).toEqual([
    {
      Kind: "service-defaults",
      Name: "web",
      Protocol: "http",
      TransparentProxy: {},
      MeshGateway: {},
      Expose: {},
      CreateIndex: 11,
      ModifyIndex: 11,
    },
  ]);
  expect((await catalog.get("/v1/config/proxy-defaults/global")).json).toMatchObject({ Config: { protocol: "http" } });
  expect((await catalog.get("/v1/config/service-intentions/web")).json).toEqual({
    Kind: "service-intentions",
    Name: "web",
    Sources: [
      { Name: "api", Action: "allow", Precedence: 9, Type: "consul", Description: "needed" },
      { Name: "*", Action: "deny", Precedence: 8, Type: "consul" },
    ],
    Meta: { team: "blue" },
    CreateIndex: 13,
    ModifyIndex: 13,
  });
  expect(await catalog.send("DELETE", "/v1/config/service-defaults/web")).toMatchObject({ status: 200, body: "{}" });
  expect(await catalog.get("/v1/config/service-defaults/web")).toMatchObject({
    status: 404,
    body: 'Config entry not found for "service-defaults" / "web"',
  });
});

const normalization = {
  InsecureDisablePathNormalization: false,
  MergeSlashes: true,
  PathWithEscapedSlashesAction: "UNESCAPE_AND_FORWARD",
  HeadersWithUnderscoresAction: "REJECT_REQUEST",
};

test("the mesh has one entry, without a name, that is written, listed, read and deleted as Consul answers it", async () => {
  const catalog = createTestCatalog();
  const body = {
    Kind: "mesh",
    TransparentProxy: { MeshDestinationsOnly: false },
    HTTP: { SanitizeXForwardedClientCert: true, Incoming: { RequestNormalization: normalization } },
  };
  expect(await catalog.send("PUT", "/v1/config", body)).toMatchObject({ status: 200, body: "true" });
  const answer = { ...body, CreateIndex: 11, ModifyIndex: 11 };
  expect((await catalog.get("/v1/config/mesh")).json).toEqual([answer]);
  expect((await catalog.get("/v1/config/mesh/mesh")).json).toEqual(answer);
  expect(await catalog.send("DELETE", "/v1/config/mesh/mesh")).toMatchObject({ status: 200, body: "{}" });
  expect((await catalog.get("/v1/config/mesh")).json).toEqual([]);
});

test("the mesh's entry may be written in small letters, in part or with its name, and says no more than it was told", async () => {
  const catalog = createTestCatalog();
  const incoming = {
    request_normalization: { merge_slashes: true, path_with_escaped_slashes_action: "REJECT_REQUEST" },
  };
  await catalog.send("PUT", "/v1/config", { kind: "mesh", name: "mesh", http: { incoming } });
  expect((await catalog.get("/v1/config/mesh/mesh")).json).toMatchObject({
    HTTP: {
      SanitizeXForwardedClientCert: false,
      Incoming: {
        RequestNormalization: {
          InsecureDisablePathNormalization: false,
          MergeSlashes: true,
          PathWithEscapedSlashesAction: "REJECT_REQUEST",
        },
      },
    },
  });
  await catalog.send("PUT", "/v1/config", { Kind: "mesh", HTTP: { Incoming: null }, Meta: { by: "me" } });
  expect((await catalog.get("/v1/config/mesh/mesh")).json).toEqual({
    Kind: "mesh",
    TransparentProxy: { MeshDestinationsOnly: false },
    Meta: { by: "me" },
    CreateIndex: 11,
    ModifyIndex: 12,
  });
});

test("?cas writes and deletes only at the expected index", async () => {
  const catalog = createTestCatalog();
  const put = (cas: string): Promise<unknown> =>
    catalog.send("PUT", `/v1/config?cas=${cas}`, { Kind: "service-defaults", Name: "web", Protocol: "http" });
  expect(await put("7")).toMatchObject({ status: 200, body: "false" });
  expect(await put("0")).toMatchObject({ status: 200, body: "true" });
  expect(await put("0")).toMatchObject({ status: 200, body: "false" });
  expect(await put("x")).toMatchObject({ status: 400 });
  expect(await catalog.send("DELETE", "/v1/config/service-defaults/web?cas=3")).toMatchObject({ body: "false" });
  const { json } = await catalog.get("/v1/config/service-defaults");
  expect(json).toHaveLength(1);
  const index = Array.isArray(json) ? json[0].ModifyIndex : 0;
  expect(await catalog.send("DELETE", `/v1/config/service-defaults/web?cas=${index}`)).toMatchObject({ body: "true" });
  expect((await catalog.get("/v1/config/service-defaults")).json).toEqual([]);
});

const refusals: readonly (readonly [string, unknown, string])[] = [
  ["no kind", { Name: "x" }, "Payload does not contain a kind/Kind key at the top level"],
  ["a list instead of an entry", [], "Payload does not contain a kind/Kind key at the top level"],
  ["a kind that is no text", { Kind: 5 }, "Kind value in payload is not a string"],
  ["an invalid kind", { Kind: "nonsense", Name: "x" }, "invalid config entry kind: nonsense"],
  [
    "a kind that the servers write",
    { Kind: "bound-api-gateway", Name: "x" },
    '"bound-api-gateway" is written by the servers alone',
  ],
  ["an unknown key", { Kind: "service-defaults", Name: "x", Protocl: "http" }, 'invalid config key "Protocl"'],
  [
    "an unknown nested key",
    { Kind: "service-intentions", Name: "x", Sources: [{ Nam: "a" }] },
    'invalid config key "Sources[0].Nam"',
  ],
  [
    "an unknown protocol",
    { Kind: "service-defaults", Name: "x", Protocol: "udp" },
    'Protocol must be one of tcp, http, http2, grpc, found "udp"',
  ],
  [
    "an unknown default protocol",
    { Kind: "proxy-defaults", Config: { protocol: 5 } },
    "Config.protocol must be one of",
  ],
  [
    "a negative limit",
    { Kind: "service-defaults", Name: "x", MaxInboundConnections: -1 },
    "MaxInboundConnections: must be >= 0, found -1",
  ],
  ["no name", { Kind: "service-defaults" }, "Name is required"],
  [
    "proxy-defaults of another name",
    { Kind: "proxy-defaults", Name: "web" },
    'invalid name ("web"), only "global" is supported',
  ],
  [
    "an action that is none",
    { Kind: "service-intentions", Name: "x", Sources: [{ Name: "a", Action: "maybe" }] },
    "Sources[0].Action must be set to 'allow' or 'deny'",
  ],
  [
    "a source without a name",
    { Kind: "service-intentions", Name: "x", Sources: [{ Action: "allow" }] },
    "Sources[0].Name is required",
  ],
  [
    "a permission without HTTP",
    { Kind: "service-intentions", Name: "x", Sources: [{ Name: "a", Permissions: [{ Action: "allow" }] }] },
    "Sources[0].Permissions[0].HTTP is required",
  ],
  [
    "a permission that asks for nothing",
    { Kind: "service-intentions", Name: "x", Sources: [{ Name: "a", Permissions: [{ Action: "allow", HTTP: {} }] }] },
    "Sources[0].Permissions[0].HTTP should not be empty",
  ],
  [
    "a permission with an action that is none",
    {
      Kind: "service-intentions",
      Name: "x",
      Sources: [{ Name: "a", Permissions: [{ Action: "maybe", HTTP: { PathPrefix: "/" } }] }],
    },
    "Sources[0].Permissions[0].Action must be set to 'allow' or 'deny'",
  ],
  [
    "two paths in a permission",
    {
      Kind: "service-intentions",
      Name: "x",
      Sources: [{ Name: "a", Permissions: [{ Action: "allow", HTTP: { PathExact: "/a", PathPrefix: "/" } }] }],
    },
    "Sources[0].Permissions[0].HTTP should only contain at most one of PathExact, PathPrefix, or PathRegex",
  ],
  [
    "a path without a slash",
    {
      Kind: "service-intentions",
      Name: "x",
      Sources: [{ Name: "a", Permissions: [{ Action: "allow", HTTP: { PathPrefix: "a" } }] }],
    },
    "Sources[0].Permissions[0].HTTP.PathPrefix doesn't start with '/': \"a\"",
  ],
  [
    "a path that is no expression",
    {
      Kind: "service-intentions",
      Name: "x",
      Sources: [{ Name: "a", Permissions: [{ Action: "allow", HTTP: { PathRegex: "/(" } }] }],
    },
    "Sources[0].Permissions[0].HTTP.PathRegex is not a valid regex",
  ],
  [
    "two conditions for a header",
    {
      Kind: "service-intentions",
      Name: "x",
      Sources: [
        { Name: "a", Permissions: [{ Action: "allow", HTTP: { Header: [{ Name: "a", Exact: "b", Present: true }] } }] },
      ],
    },
    "Sources[0].Permissions[0].HTTP.Header[0] should contain exactly one of",
  ],
  [
    "a header without a name",
    {
      Kind: "service-intentions",
      Name: "x",
      Sources: [{ Name: "a", Permissions: [{ Action: "allow", HTTP: { Header: [{ Exact: "b" }] } }] }],
    },
    "Sources[0].Permissions[0].HTTP.Header[0].Name is required",
  ],
  [
    "case ignored in an expression",
    {
      Kind: "service-intentions",
      Name: "x",
      Sources: [
        {
          Name: "a",
          Permissions: [{ Action: "allow", HTTP: { Header: [{ Name: "a", Regex: "b", IgnoreCase: true }] } }],
        },
      ],
    },
    "Sources[0].Permissions[0].HTTP.Header[0] should set one of Exact, Prefix, Suffix, or Contains when using IgnoreCase",
  ],
  [
    "a method that is none",
    {
      Kind: "service-intentions",
      Name: "x",
      Sources: [{ Name: "a", Permissions: [{ Action: "allow", HTTP: { Methods: ["get"] } }] }],
    },
    'Sources[0].Permissions[0].HTTP.Methods contains an invalid method "get"',
  ],
  [
    "a method twice",
    {
      Kind: "service-intentions",
      Name: "x",
      Sources: [{ Name: "a", Permissions: [{ Action: "allow", HTTP: { Methods: ["GET", "GET"] } }] }],
    },
    'Sources[0].Permissions[0].HTTP.Methods contains "GET" more than once',
  ],
  [
    "a token of a provider without a name",
    {
      Kind: "service-intentions",
      Name: "x",
      Sources: [{ Name: "a", Permissions: [{ Action: "allow", HTTP: { PathPrefix: "/" }, JWT: { Providers: [{}] } }] }],
    },
    "Sources[0].Permissions[0].JWT.Providers[0].Name is required",
  ],
  [
    "permissions for all services",
    {
      Kind: "service-intentions",
      Name: "*",
      Sources: [{ Name: "a", Permissions: [{ Action: "allow", HTTP: { PathPrefix: "/" } }] }],
    },
    "Sources[0].Permissions cannot be specified on intentions with wildcarded destinations",
  ],
  [
    "an action beside permissions",
    {
      Kind: "service-intentions",
      Name: "x",
      Sources: [{ Name: "a", Action: "allow", Permissions: [{ Action: "allow" }] }],
    },
    "Sources[0].Action must be omitted if Permissions are specified",
  ],
  [
    "a source given twice",
    {
      Kind: "service-intentions",
      Name: "x",
      Sources: [
        { Name: "a", Action: "allow" },
        { Name: "a", Action: "deny" },
      ],
    },
    'Sources[1] defines "a" more than once',
  ],
  [
    "a partial wildcard",
    { Kind: "service-intentions", Name: "x", Sources: [{ Name: "a*", Action: "allow" }] },
    "wildcard character '*' cannot be used with partial values",
  ],
  ["no sources", { Kind: "service-intentions", Name: "x" }, "At least one source is required"],
  [
    "a setting of proxies that cannot be",
    { Kind: "proxy-defaults", Name: "global", Config: { protocol: "http", local_idle_timeout_ms: "5m" } },
    'Config.local_idle_timeout_ms: must be a whole number from 1 to 86400000, found "5m"',
  ],
  ["a mesh of another name", { Kind: "mesh", Name: "x" }, 'invalid name ("x"), only "mesh" is supported'],
  [
    "what to do with escaped slashes that nobody knows",
    { Kind: "mesh", HTTP: { Incoming: { RequestNormalization: { PathWithEscapedSlashesAction: "REJECT" } } } },
    "HTTP.Incoming.RequestNormalization.PathWithEscapedSlashesAction: must be one of",
  ],
  [
    "settings of the mesh that would be lost",
    { Kind: "mesh", TLS: { Incoming: { TLSMinVersion: "TLSv1_2" } } },
    "TLS is not supported by this version: leave it out of the mesh entry",
  ],
  [
    "a setting that would be lost",
    { Kind: "service-defaults", Name: "x", ExternalSNI: "a" },
    "ExternalSNI is not supported by this version",
  ],
  [
    "another namespace",
    { Kind: "service-defaults", Name: "x", Namespace: "team" },
    "Namespaces are a Consul Enterprise feature",
  ],
];

for (const [what, body, message] of refusals) {
  test(`${what} is a 400 that names it, and nothing is written`, async () => {
    const catalog = createTestCatalog();
    const answer = await catalog.send("PUT", "/v1/config", body);
    expect(answer.body).toContain(message);
    expect(answer.status).toBe(400);
    for (const kind of ["mesh", "service-defaults", "proxy-defaults", "service-intentions"]) {
      expect((await catalog.get(`/v1/config/${kind}`)).json).toEqual([]);
    }
  });
}

test("empty settings that Go clients always send, and read-only fields, are accepted", async () => {
  const catalog = createTestCatalog();
  const answer = await catalog.send("PUT", "/v1/config", {
    Kind: "service-defaults",
    Name: "web",
    TransparentProxy: {},
    MeshGateway: { Mode: "none" },
    Expose: { Paths: null },
    UpstreamConfig: null,
    CreateIndex: 5,
    ModifyIndex: 7,
    Namespace: "default",
  });
  expect(answer).toMatchObject({ status: 200, body: "true" });
});

test("kinds that only Consul has are listed as empty, kinds that nobody has are an error", async () => {
  const catalog = createTestCatalog();
  expect((await catalog.get("/v1/config/ingress-gateway")).json).toEqual([]);
  expect(await catalog.get("/v1/config/ingress-gateway/x")).toMatchObject({ status: 404 });
  expect(await catalog.get("/v1/config/nonsense")).toMatchObject({
    status: 400,
    body: "invalid config entry kind: nonsense",
  });
});
