import { expect, test } from "bun:test";
import { decideIntention } from "../../../lib/contract/intentions.ts";
import type { ConfigEntry, MeshEntry, ServiceDefaultsEntry } from "../../../lib/contract/config-entries.ts";
import { createState } from "../../../server/state/state.ts";
import { caRootFields, intentionsEntry } from "./records.ts";
import { createStateHarness, type StateHarness } from "./state-harness.ts";

const write = (harness: StateHarness, entry: ConfigEntry, expectedIndex?: number) =>
  harness.apply({ type: "config-entry-upsert", entry, ...(expectedIndex === undefined ? {} : { expectedIndex }) });

const serviceDefaults = (fields: Partial<ServiceDefaultsEntry> = {}): ServiceDefaultsEntry => ({
  Kind: "service-defaults",
  Name: "web",
  Meta: {},
  Protocol: "",
  MaxInboundConnections: 0,
  LocalConnectTimeoutMs: 0,
  LocalRequestTimeoutMs: 0,
  ...fields,
});

test("intentions are written with their precedence and sorted by it", () => {
  const harness = createStateHarness();
  write(harness, intentionsEntry("web", { "*": "deny", zed: "allow", api: "allow" }));
  const entry = harness.reader.configEntry("service-intentions", "web").value;
  expect(entry).toMatchObject({
    Sources: [
      { Name: "api", Precedence: 9 },
      { Name: "zed", Precedence: 9 },
      { Name: "*", Precedence: 8 },
    ],
  });
});

test("the intentions of a destination are its own and those to everyone, best first", () => {
  const harness = createStateHarness();
  write(harness, intentionsEntry("*", { "*": "deny", api: "allow" }));
  write(harness, intentionsEntry("web", { "*": "allow", batch: "deny" }));
  write(harness, intentionsEntry("db", { api: "deny" }));
  const rules = harness.reader.intentions({ by: "destination", name: "web" }).value;
  expect(rules.map((rule) => [rule.sourceName, rule.destinationName, rule.precedence])).toEqual([
    ["batch", "web", 9],
    ["*", "web", 8],
    ["api", "*", 6],
    ["*", "*", 5],
  ]);
  expect(decideIntention(rules, { source: "batch", destination: "web" }, "allow").action).toBe("deny");
  expect(decideIntention(rules, { source: "api", destination: "web" }, "deny").action).toBe("allow");
  const fromApi = harness.reader.intentions({ by: "source", name: "api" }).value;
  expect(fromApi.map((rule) => [rule.sourceName, rule.destinationName])).toEqual([
    ["api", "db"],
    ["*", "web"],
    ["api", "*"],
    ["*", "*"],
  ]);
  expect(harness.reader.intentions({ by: "all" }).value).toHaveLength(5);
});

test("what applies without an intention is to allow, unless the state is told otherwise", () => {
  expect(createState().reader.defaultIntention()).toEqual({ defaultAction: "allow" });
  const defaultIntention = { defaultAction: "deny", isDefaultSet: true } as const;
  expect(createState({ defaultIntention }).reader.defaultIntention()).toEqual(defaultIntention);
});

const refusals: { why: string; entry: ConfigEntry; message: string }[] = [
  { why: "no source", entry: intentionsEntry("web", {}), message: "At least one source is required" },
  {
    why: "a source named twice",
    entry: {
      ...intentionsEntry("web", {}),
      Sources: [
        ...intentionsEntry("web", { api: "allow" }).Sources,
        ...intentionsEntry("web", { api: "deny" }).Sources,
      ],
    },
    message: 'Sources[1] defines "api" more than once',
  },
  {
    why: "a partial wildcard as the destination",
    entry: intentionsEntry("web*", { api: "allow" }),
    message: "Name: wildcard character '*' cannot be used with partial values",
  },
  {
    why: "a partial wildcard as a source",
    entry: intentionsEntry("web", { "api-*": "allow" }),
    message: "Sources[0].Name: wildcard character '*'",
  },
  {
    why: "proxy-defaults of another name",
    entry: { Kind: "proxy-defaults", Name: "mine", Meta: {}, Config: {} },
    message: 'invalid name ("mine"), only "global" is supported',
  },
  { why: "no name", entry: serviceDefaults({ Name: "" }), message: "Name is required" },
];
for (const { why, entry, message } of refusals) {
  test(`a config entry with ${why} is refused and changes nothing`, () => {
    const harness = createStateHarness();
    const result = write(harness, entry);
    expect(result).toMatchObject({ ok: false, code: "INVALID_ARGUMENT" });
    expect(result.ok ? "" : result.message).toContain(message);
    expect([...harness.state.dump()]).toEqual([]);
  });
}

test("service-defaults win over proxy-defaults, which win over the built-in defaults", () => {
  const harness = createStateHarness();
  const resolved = () => harness.reader.serviceConfig("web").value;
  expect(resolved()).toEqual({
    service: "web",
    protocol: "tcp",
    localConnectTimeoutMs: 5000,
    localRequestTimeoutMs: 0,
    maxInboundConnections: 0,
  });
  const Config = { protocol: "grpc", local_connect_timeout_ms: 100, local_request_timeout_ms: "soon" };
  write(harness, { Kind: "proxy-defaults", Name: "global", Meta: {}, Config });
  expect(resolved()).toMatchObject({ protocol: "grpc", localConnectTimeoutMs: 100, localRequestTimeoutMs: 0 });
  write(harness, serviceDefaults({ Protocol: "http", MaxInboundConnections: 9 }));
  expect(resolved()).toMatchObject({ protocol: "http", localConnectTimeoutMs: 100, maxInboundConnections: 9 });
  harness.accept({ type: "config-entry-delete", kind: "service-defaults", name: "web" });
  expect(resolved()).toMatchObject({ protocol: "grpc", maxInboundConnections: 0 });
});

test("settings of proxy-defaults that are for proxies alone are passed on as they are", () => {
  const harness = createStateHarness();
  const own = { local_idle_timeout_ms: 15_000, max_request_headers_kb: "96", drain_timeout_ms: 1, workers: "auto" };
  const Config = { ...own, protocol: "http", envoy_tracing_json: "{}", max_inbound_connections: 3 };
  write(harness, { Kind: "proxy-defaults", Name: "global", Meta: {}, Config });
  expect(harness.reader.serviceConfig("web").value).toMatchObject({ protocol: "http", maxInboundConnections: 3 });
  expect(harness.reader.serviceConfig("web").value.proxyDefaults).toEqual(own);
  write(harness, { Kind: "proxy-defaults", Name: "global", Meta: {}, Config: { protocol: "http" } });
  expect(harness.reader.serviceConfig("web").value).not.toHaveProperty("proxyDefaults");
});

test("what the mesh's entry says is part of every service's settings, for as long as there is one", () => {
  const harness = createStateHarness();
  const resolved = () => harness.reader.serviceConfig("web");
  const entry: MeshEntry = {
    Kind: "mesh",
    Name: "mesh",
    Meta: {},
    SanitizeXForwardedClientCert: true,
    RequestNormalization: {
      InsecureDisablePathNormalization: false,
      MergeSlashes: true,
      PathWithEscapedSlashesAction: "",
      HeadersWithUnderscoresAction: "DROP_HEADER",
    },
  };
  const before = resolved();
  write(harness, entry);
  const { SanitizeXForwardedClientCert, RequestNormalization } = entry;
  expect(resolved().value.mesh).toEqual({ SanitizeXForwardedClientCert, RequestNormalization });
  expect(resolved().index).toBeGreaterThan(before.index);
  harness.accept({ type: "config-entry-delete", kind: "mesh", name: "mesh" });
  expect(resolved().value).toEqual(before.value);
});

test("an unknown protocol in proxy-defaults is not passed on", () => {
  const harness = createStateHarness();
  write(harness, { Kind: "proxy-defaults", Name: "global", Meta: {}, Config: { protocol: "gopher" } });
  expect(harness.reader.serviceConfig("web").value.protocol).toBe("tcp");
});

test("compare-and-set writes and deletes only what it expects", () => {
  const harness = createStateHarness();
  expect(write(harness, serviceDefaults(), 7)).toEqual({ ok: true, applied: false });
  expect(write(harness, serviceDefaults(), 0)).toEqual({ ok: true, applied: true });
  expect(write(harness, serviceDefaults({ Protocol: "http" }), 0)).toEqual({ ok: true, applied: false });
  const index = harness.reader.configEntry("service-defaults", "web").value?.ModifyIndex ?? -1;
  expect(write(harness, serviceDefaults({ Protocol: "http" }), index)).toEqual({ ok: true, applied: true });
  const remove = (expectedIndex: number) =>
    harness.apply({ type: "config-entry-delete", kind: "service-defaults", name: "web", expectedIndex });
  expect(remove(index)).toEqual({ ok: true, applied: false });
  const newest = harness.reader.configEntry("service-defaults", "web").value?.ModifyIndex ?? -1;
  expect(remove(newest)).toEqual({ ok: true, applied: true });
  expect(harness.reader.configEntry("service-defaults", "web").value).toBeUndefined();
});

test("writing the same entry again moves no index", () => {
  const harness = createStateHarness();
  write(harness, intentionsEntry("web", { api: "allow", "*": "deny" }));
  const before = [...harness.state.dump()];
  write(harness, intentionsEntry("web", { "*": "deny", api: "allow" }));
  expect([...harness.state.dump()]).toEqual(before);
});

test("the certificate authority is set once", () => {
  const harness = createStateHarness();
  expect(harness.apply({ type: "ca-initialize", root: caRootFields("aa") })).toEqual({ ok: true, applied: true });
  expect(harness.apply({ type: "ca-initialize", root: caRootFields("bb") })).toEqual({ ok: true, applied: false });
  expect(harness.reader.caRoots().value).toMatchObject({ activeRootId: "aa", roots: [{ id: "aa", active: true }] });
});

test("the authority's private key reaches the signer and no reader", () => {
  const harness = createStateHarness();
  expect(harness.state.caRoots()).toEqual([]);
  harness.accept({ type: "ca-initialize", root: caRootFields("aa") });
  expect(harness.state.caRoots()[0]?.privateKeyPem).toBe("PRIVATE-KEY-OF-THE-ROOT");
  expect(JSON.stringify(harness.reader.caRoots())).not.toContain("PRIVATE-KEY");
  expect(harness.reader.caRoots().value.roots[0]?.certPem).toBe("certificate of the root");
});
