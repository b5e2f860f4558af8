import { describe, expect, test } from "bun:test";
import { type HostFacts, resolveAgentOptions } from "../../../agent/config/agent-options.ts";
import { resolveAclOptions } from "../../../agent/config/acl-options.ts";
import { type AgentSettings, noSettings } from "../../../agent/config/agent-settings.ts";
import { resolveDnsSettings } from "../../../agent/config/dns-options.ts";
import { defaultRequestLimits } from "../../../lib/contract/request-limits.ts";

const host: HostFacts = { hostName: "vm-1", addresses: ["fe80::1", "10.1.2.3", "203.0.113.5"], workingDir: "/srv" };

function resolve(settings: Partial<AgentSettings>, facts: Partial<HostFacts> = {}) {
  return resolveAgentOptions({ ...noSettings, ...settings }, { ...host, ...facts });
}

const client: Partial<AgentSettings> = { join: ["10.0.0.1"], dataDir: "data" };
const server: Partial<AgentSettings> = { isServer: true, dataDir: "/data" };

test("-dev is a server on loopback that keeps nothing and leaves at the end", () => {
  expect(resolve({ isDev: true })).toEqual({
    isDev: true,
    isServer: true,
    datacenter: "dc1",
    nodeName: "vm-1",
    nodeMeta: {},
    bindAddress: "127.0.0.1",
    advertiseAddress: "127.0.0.1",
    clientAddress: "127.0.0.1",
    clientAddresses: ["127.0.0.1"],
    httpPort: 8500,
    edge: {
      listeners: [{ isTls: false, at: { host: "127.0.0.1", port: 8500 } }],
      socketRights: {},
      maxConnsPerClient: 200,
      handshakeTimeoutMs: 5_000,
      access: { responseHeaders: {}, blockEndpoints: [], allowWriteFrom: [] },
    },
    grpc: { listeners: [{ isTls: false, at: { host: "127.0.0.1", port: 8502 }, isOptional: true }] },
    process: { skipLeaveOnInterrupt: false },
    discardsCheckOutput: false,
    requests: defaultRequestLimits,
    dnsAddress: "127.0.0.1",
    dnsPort: 8600,
    isDnsOptional: true,
    dns: resolveDnsSettings({}, "dc1"),
    rpcPort: 8300,
    bootstrapExpect: 1,
    servers: [],
    joinToken: "",
    sidecarPorts: { min: 21_000, max: 21_255 },
    adminMinPort: 19_000,
    leaveOnTerminate: true,
    lease: { Class: "default", TtlMs: 8_000, ReapAfterMs: 72 * 3_600_000 },
    coordinates: { isEnabled: true, rateTarget: 64, intervalMinMs: 15_000 },
    logLevel: "info",
    isLogJson: false,
    acl: resolveAclOptions(),
    scripts: { fromFiles: false, fromApi: false },
    services: [],
    checks: [],
  });
});

test.each([
  [{}, false, false],
  [{ enableScriptChecks: true }, true, true],
  [{ enableLocalScriptChecks: true }, true, false],
  [{ enableLocalScriptChecks: false, enableScriptChecks: true }, true, true],
])("with %j checks of files may run programs: %j, those over HTTP: %j", (settings, fromFiles, fromApi) => {
  expect(resolve({ ...client, ...settings }).scripts).toEqual({ fromFiles, fromApi });
});

test("where the node is may be said, with its metadata, and is refused where nobody could use it", () => {
  const locality = { Region: "r1", Zone: "a" };
  expect(resolve({ isDev: true, nodeMeta: { rack: "7" }, locality })).toMatchObject({
    nodeMeta: { rack: "7" },
    locality,
  });
  expect(() => resolve({ isDev: true, locality: { Region: "", Zone: "a" } })).toThrow(
    'locality has the zone "a" without a region: name both',
  );
  expect(() => resolve({ isDev: true, nodeMeta: { "a b": "c" } })).toThrow("node_meta: Couldn't load metadata pair");
});

test("a client leaves at the end and a server does not, unless the setting says otherwise", () => {
  expect(resolve(client).leaveOnTerminate).toBe(true);
  expect(resolve(server).leaveOnTerminate).toBe(false);
  expect(resolve({ ...server, leaveOnTerminate: true }).leaveOnTerminate).toBe(true);
});

test("a data directory is relative to where the agent was started", () => {
  expect(resolve(client).dataDir).toBe("/srv/data");
});

test.each([
  ["10.0.0.1", "10.0.0.1:8300"],
  ["server.example", "server.example:8300"],
  ["10.0.0.1:9300", "10.0.0.1:9300"],
  ["fd00::1", "[fd00::1]:8300"],
  ["[fd00::1]:9300", "[fd00::1]:9300"],
])("-join=%s dials %s", (written, dialled) => {
  expect(resolve({ ...client, join: [written] }).servers).toEqual([dialled]);
});

test("bound to all addresses, the one private address is told to others", () => {
  expect(resolve(client)).toMatchObject({ bindAddress: "0.0.0.0", advertiseAddress: "10.1.2.3" });
  expect(resolve({ ...client, advertiseAddress: "203.0.113.5" }).advertiseAddress).toBe("203.0.113.5");
});

test("a server that begins alone may name itself among those to join, and nobody else", () => {
  const alone = { ...server, bootstrapExpect: 1, bindAddress: "10.1.2.3" };
  expect(resolve({ ...alone, join: ["10.1.2.3", "10.1.2.3:8300"] }).servers).toEqual([]);
  expect(resolve({ ...alone, bindAddress: "0.0.0.0", join: ["vm-1", "127.0.0.1"] }).servers).toEqual([]);
  for (const other of ["10.1.2.4", "10.1.2.3:8301", "127.0.0.1"]) {
    expect(() => resolve({ ...alone, join: [other] })).toThrow("bootstrap_expect is 1");
  }
});

describe("refused with the setting and the fix", () => {
  test.each<[string, Partial<AgentSettings>, string]>([
    ["no role", { dataDir: "d" }, "an agent that is not a server needs one to join: -join=<address>"],
    [
      "a beginning that joins",
      { ...server, bootstrapExpect: 1, join: ["x"] },
      "bootstrap_expect is 1, which begins a cluster of its own",
    ],
    ["three servers that do not know each other", { ...server, bootstrapExpect: 3 }, "give their addresses with -join"],
    ["two servers", { ...server, bootstrapExpect: 2, join: ["x"] }, "a cluster begins with 1, 3, 5 servers"],
    ["a -dev server with peers", { isDev: true, join: ["x"] }, "-dev runs one server that keeps nothing"],
    [
      "bootstrap of a client",
      { ...client, bootstrapExpect: 1 },
      "bootstrap_expect is 1, but only a server can bootstrap",
    ],
    ["no data directory", { isServer: true }, "data_dir cannot be empty: -data-dir=<path>"],
    ["an empty data directory", { isServer: true, dataDir: "" }, "data_dir cannot be empty"],
    [
      "a host name to bind",
      { isDev: true, bindAddress: "localhost" },
      'bind_addr must be an IP address, found "localhost"',
    ],
    [
      "a client address that is none",
      { isDev: true, clientAddress: "127.0.0.1 web" },
      'client_addr must be an IP address, found "web"',
    ],
    [
      "nobody's address",
      { isDev: true, advertiseAddress: "0.0.0.0" },
      "advertise_addr is 0.0.0.0, which nobody can dial",
    ],
    [
      "a port out of range",
      { isDev: true, httpPort: 65_536 },
      "http port must be 0 to 65535, or -1 for none, found 65536",
    ],
    ["a negative port", { isDev: true, rpcPort: -1 }, "server port must be 0 to 65535, found -1"],
    ["one port twice", { isDev: true, httpPort: 8300 }, "the HTTP port and the server port are both 8300"],
    [
      "sidecar ports the wrong way round",
      { isDev: true, sidecarMinPort: 22_000, sidecarMaxPort: 21_999 },
      "sidecar_min_port is 22000 and sidecar_max_port 21999",
    ],
    [
      "a node name",
      { isDev: true, nodeName: "a b" },
      'node_name must be 1 to 255 letters, digits, ".", "-" or "_", found "a b"',
    ],
    ["a node ID", { isDev: true, nodeId: "7" }, 'node_id must be a UUID, found "7"'],
    [
      "a datacenter",
      { isDev: true, datacenter: "d.c" },
      'datacenter must be 1 to 63 letters, digits, "-" or "_", found "d.c"',
    ],
    ["a join address", { ...client, join: ["http://a/"] }, '-join: "http://a/" is not an address'],
    ["a join port", { ...client, join: ["a:0"] }, '-join: "a:0" is not an address'],
  ])("%s", (_what, settings, message) => {
    expect(() => resolve(settings)).toThrow(message);
  });

  test("an address for others that is not clear", () => {
    expect(() => resolve(client, { addresses: [] })).toThrow("this machine has no private IPv4 address");
    expect(() => resolve(client, { addresses: ["10.0.0.1", "192.168.0.1"] })).toThrow(
      "this machine has several (10.0.0.1, 192.168.0.1), so the address for other nodes is not clear: set -bind or -advertise",
    );
  });
});
