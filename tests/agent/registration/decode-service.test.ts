import { expect, test } from "bun:test";
import { mustDecode } from "../../../agent/registration/decode-result.ts";
import { decodeService } from "../../../agent/registration/decode-service.ts";
import type { ServiceDefinition } from "../../../agent/service-definition.ts";

function decode(document: unknown): ServiceDefinition {
  return mustDecode(decodeService(document));
}

/** The message of the 400 that a registration gets. */
function refusal(document: unknown): string {
  const decoded = decodeService(document);
  if (decoded.ok) return "accepted";
  try {
    mustDecode(decoded);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "no error";
}

test("CamelCase, snake_case and any other case spell the same registration", () => {
  const camel = decode({
    Name: "web",
    Port: 8080,
    EnableTagOverride: true,
    Check: { HTTP: "http://127.0.0.1:8080/", Interval: "10s", DeregisterCriticalServiceAfter: "2m" },
    Connect: { SidecarService: { Proxy: { Upstreams: [{ DestinationName: "db", LocalBindPort: 9191 }] } } },
  });
  const snake = decode({
    name: "web",
    port: 8080,
    enable_tag_override: true,
    check: { http: "http://127.0.0.1:8080/", interval: "10s", deregister_critical_service_after: "2m" },
    connect: { sidecar_service: { proxy: { upstreams: [{ destination_name: "db", local_bind_port: 9191 }] } } },
  });
  expect(snake).toEqual(camel);
  expect(camel).toMatchObject({ id: "web", enableTagOverride: true, weights: { Passing: 1, Warning: 1 } });
  expect(camel.sidecar?.proxy?.Upstreams).toEqual([
    {
      DestinationType: "service",
      DestinationName: "db",
      Datacenter: "",
      LocalBindAddress: "127.0.0.1",
      LocalBindPort: 9191,
      Config: {},
    },
  ]);
});

test("keys of open maps are data and keep their spelling; null means not given", () => {
  const definition = decode({ Name: "web", Meta: { some_key: "v" }, Tags: null, Address: null });
  expect(definition).toMatchObject({ meta: { some_key: "v" }, tags: [], address: "" });
});

test("fields that mean nothing here are named and left out", () => {
  const decoded = decodeService({ Name: "web", Namespace: "", Token: "t", Chcek: {} });
  expect(decoded).toMatchObject({ ok: true, unknownFields: ["Namespace", "Chcek"] });
});

test.each([
  ["no name", {}, "Missing service name"],
  ["a port out of range", { Name: "web", Port: 70_000 }, "Port: must be <= 65535, found 70000"],
  ["a negative port", { Name: "web", Port: -1 }, "Port: must be >= 0, found -1"],
  ["a wrong type", { Name: "web", Port: "http" }, 'Port: must be integer, found "http"'],
  ["tags that are no list", { Name: "web", Tags: "a" }, 'Tags: must be array, found "a"'],
  ["no object", ["web"], "must be object"],
  ["one field twice", { Name: "web", name: "api" }, 'is given twice, as "Name" and as "name"'],
  ["an unknown kind", { Name: "gw", Kind: "mesh-gateway" }, 'Kind: must be "" or "connect-proxy" in this version'],
  ["an address nobody can dial", { Name: "web", Address: "0.0.0.0" }, 'Invalid service address: "0.0.0.0"'],
  ["a control character", { Name: "we\nb" }, "Name: may not hold control characters"],
  ["a metadata key", { Name: "web", Meta: { "a b": "1" } }, "Meta: Couldn't load metadata pair ('a b', '1')"],
  ["too much metadata", { Name: "web", Meta: { a: "x".repeat(513) } }, "Value is too long (limit: 512 characters)"],
  ["a proxy without its kind", { Name: "web", Proxy: {} }, "The Proxy configuration is only valid with Kind"],
  [
    "a proxy without destination",
    { Name: "p", Kind: "connect-proxy", Port: 1 },
    "Proxy.DestinationServiceName: must be",
  ],
  [
    "a proxy without port",
    { Name: "p", Kind: "connect-proxy", Proxy: { DestinationServiceName: "web" } },
    "Port: must be set for a Connect proxy",
  ],
  ["ports of a later version", { Name: "web", Ports: [{ Port: 1 }] }, "Ports: is not supported by this version"],
  [
    "a check of a kind that is missing",
    { Name: "web", Checks: [{ TTL: "1s" }, { GRPC: "127.0.0.1:1" }] },
    "Checks[1].GRPC: checks of this kind are not supported by this version",
  ],
])("%s is refused by name: %j", (_what, document, message) => {
  expect(refusal(document)).toContain(message);
});

function withSidecar(sidecar: object): object {
  return { Name: "web", Port: 80, Connect: { SidecarService: sidecar } };
}

test.each([
  [{ ID: "mine" }, "Connect.SidecarService.ID: sidecar service cannot specify an ID"],
  [{ Connect: { SidecarService: {} } }, "Connect.SidecarService.Connect: sidecar service cannot have a nested"],
  [{ Proxy: { Upstreams: [{ DestinationName: "db" }] } }, "Proxy.Upstreams[0].LocalBindPort: upstream local bind port"],
  [{ Proxy: { Upstreams: [{ LocalBindPort: 1 }] } }, "Proxy.Upstreams[0].DestinationName: upstream destination name"],
  [
    { Proxy: { Upstreams: [up("db", 1), up("db", 2)] } },
    'Proxy.Upstreams[1].DestinationName: upstream "db" is the same as Upstreams[0]',
  ],
  [
    { Proxy: { Upstreams: [up("db", 1), up("api", 1)] } },
    "Proxy.Upstreams[1].LocalBindPort: 127.0.0.1:1 is already the local bind address of Upstreams[0]",
  ],
  [{ Proxy: { DestinationServiceName: "api" } }, 'must be the service itself, "web"'],
  [
    { Port: 9000, Proxy: { Upstreams: [up("db", 9000)] } },
    'port 9000 is already the local bind port of the upstream "db"',
  ],
  [{ Proxy: { Mode: "transparent" } }, 'Proxy.Mode: only "direct" is supported'],
  [
    { Proxy: { Config: { workers: 0.5 } } },
    'Connect.SidecarService.Proxy.Config.workers: must be "auto" or a whole number from 1 to 256, found 0.5',
  ],
  [
    { Proxy: { Upstreams: [{ ...up("db", 1), Config: { limits: { max_connections: "all" } } }] } },
    'Proxy.Upstreams[0].Config.limits.max_connections: must be a whole number from 1 to 1000000, found "all"',
  ],
])("a sidecar %j is refused", (sidecar, message) => {
  expect(refusal(withSidecar(sidecar))).toContain(message);
});

function up(name: string, port: number): object {
  return { DestinationName: name, LocalBindPort: port };
}

test("settings of other proxies, and numbers beyond what can be had, are accepted as they are", () => {
  const Config = { envoy_dogstatsd_url: "udp://127.0.0.1:9125", local_request_timeout_ms: 15_000, workers: 1_000 };
  expect(decode(withSidecar({ Proxy: { Config } })).sidecar?.proxy?.Config).toEqual(Config);
});

test("a name that no identity could carry is refused for the mesh, and fine outside of it", () => {
  expect(refusal({ Name: "my web", Connect: { SidecarService: {} } })).toContain("a service in the mesh needs a name");
  expect(refusal({ Name: "my web" })).toBe("accepted");
});
