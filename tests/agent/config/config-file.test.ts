import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readConfigFiles } from "../../../agent/config/config-file.ts";
import { createTempDir, type TempDir } from "../../fakes/temp-dir.ts";

let dir: TempDir;

beforeAll(() => {
  dir = createTempDir();
});

afterAll(() => dir[Symbol.dispose]());

function write(name: string, content: unknown): string {
  const path = join(dir.path, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

/** The message of the refusal, with the file's path as FILE. */
async function refusal(content: unknown): Promise<string> {
  const path = write("refused.json", content);
  const read = await readConfigFiles([path]).then(
    () => "accepted",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  return read.replaceAll(path, "FILE");
}

test("Consul's keys are taken over", async () => {
  const path = write("agent.json", {
    server: true,
    bootstrap_expect: 1,
    datacenter: "east",
    node_name: "vm-1",
    node_id: "40e4a748-2192-161a-0510-9bf59fe950b5",
    node_meta: { rack: "7" },
    locality: { region: "r1", zone: "a" },
    data_dir: "/var/lib/atoll",
    bind_addr: "10.0.0.1",
    advertise_addr: "203.0.113.1",
    client_addr: "127.0.0.1",
    ports: {
      http: 9500,
      server: 9300,
      sidecar_min_port: 22_000,
      sidecar_max_port: 22_010,
      proxy_admin_min_port: 20_000,
    },
    start_join: ["a"],
    retry_join: ["b:1"],
    join_token_file: "/run/token",
    leave_on_terminate: false,
    log_level: "DEBUG",
    log_json: true,
    check_update_interval: "1m30s",
  });
  expect(await readConfigFiles([path])).toEqual({
    warnings: [],
    notes: [],
    settings: {
      edge: {},
      grpc: {},
      process: {},
      requests: {},
      isServer: true,
      bootstrapExpect: 1,
      datacenter: "east",
      nodeName: "vm-1",
      nodeId: "40e4a748-2192-161a-0510-9bf59fe950b5",
      nodeMeta: { rack: "7" },
      locality: { Region: "r1", Zone: "a" },
      dataDir: "/var/lib/atoll",
      bindAddress: "10.0.0.1",
      advertiseAddress: "203.0.113.1",
      clientAddress: "127.0.0.1",
      httpPort: 9500,
      rpcPort: 9300,
      sidecarMinPort: 22_000,
      sidecarMaxPort: 22_010,
      adminMinPort: 20_000,
      joinTokenFile: "/run/token",
      leaveOnTerminate: false,
      logLevel: "DEBUG",
      isLogJson: true,
      checkUpdateIntervalMs: 90_000,
      join: ["a", "b:1"],
      services: [],
      checks: [],
      coordinates: {},
    },
  });
});

test("services and checks are decoded, in Consul's spelling or the API's", async () => {
  const path = write("services.json", {
    service: { name: "web", port: 8080, connect: { sidecar_service: { port: 21_100 } } },
    services: [{ Name: "api", Port: 9090 }],
    check: { id: "disk", name: "disk", ttl: "30s" },
  });
  const { settings, warnings } = await readConfigFiles([path]);
  expect(warnings).toEqual([]);
  expect(settings.services.map(({ id, port, sidecar }) => ({ id, port, sidecarPort: sidecar?.port }))).toEqual([
    { id: "web", port: 8080, sidecarPort: 21_100 },
    { id: "api", port: 9090, sidecarPort: undefined },
  ]);
  expect(settings.checks.map(({ checkId, probe }) => [checkId, probe])).toEqual([
    ["disk", { type: "ttl", ttlMs: 30_000 }],
  ]);
});

test("the settings of DNS are taken over, and a key of dns_config that is not known is named", async () => {
  const path = write("dns.json", {
    domain: "corp",
    alt_domain: "alt",
    recursors: ["10.0.0.1"],
    ports: { dns: -1 },
    addresses: { dns: "10.0.0.2" },
    dns_config: {
      recursor_strategy: "random",
      service_ttl: { "*": "5s" },
      soa: { min_ttl: 3 },
      only_passin: true,
    },
  });
  const { settings, warnings } = await readConfigFiles([path]);
  expect(warnings).toEqual([
    `config file ${path}: "dns_config.only_passin" is not a known key and is ignored (did you mean "dns_config.only_passing"?)`,
  ]);
  expect(settings).toMatchObject({
    dnsPort: -1,
    dnsAddress: "10.0.0.2",
    dns: {
      domain: "corp",
      altDomain: "alt",
      recursors: ["10.0.0.1"],
      config: { recursor_strategy: "random", service_ttl: { "*": "5s" }, soa: { min_ttl: 3 } },
    },
  });
  expect(await refusal({ dns_config: { recursor_strategy: "fastest" } })).toContain("dns_config.recursor_strategy");
  expect(await refusal({ ports: { dns: -2 } })).toContain("ports.dns");
});

test("a later file wins over an earlier one, and lists are joined", async () => {
  const first = write("1.json", { node_name: "a", datacenter: "x", retry_join: ["one"], service: { name: "s1" } });
  const second = write("2.json", { node_name: "b", retry_join: ["two"], service: { name: "s2" } });
  const { settings } = await readConfigFiles([first, second]);
  expect(settings).toMatchObject({ nodeName: "b", datacenter: "x", join: ["one", "two"] });
  expect(settings.services.map((service) => service.name)).toEqual(["s1", "s2"]);
});

test("a directory stands for its .json files in order of their names", async () => {
  const folder = join(dir.path, "conf.d");
  mkdirSync(folder);
  writeFileSync(join(folder, "20.json"), '{"node_name":"last"}');
  writeFileSync(join(folder, "10.json"), '{"node_name":"first","datacenter":"d"}');
  writeFileSync(join(folder, "30.txt"), "not read");
  expect((await readConfigFiles([folder])).settings).toMatchObject({ nodeName: "last", datacenter: "d" });
});

test("HCL says the same as JSON, with blocks that repeat", async () => {
  const hcl = write(
    "agent.hcl",
    `
    node_name = "vm-1"
    ports { http = 9500 }
    ports { sidecar_min_port = 22000 }
    service { name = "web" port = 80
      check { id = "a" ttl = "1s" }
      check { id = "b" ttl = "1s" }
      connect { sidecar_service { proxy { upstreams { destination_name = "db" local_bind_port = 9000 } } } }
    }
    service { name = "db" port = 81 }`,
  );
  const { settings, warnings } = await readConfigFiles([hcl]);
  expect(warnings).toEqual([]);
  expect(settings).toMatchObject({ nodeName: "vm-1", httpPort: 9500, sidecarMinPort: 22_000 });
  expect(settings.services.map(({ name, checks }) => [name, checks.map(({ checkId }) => checkId)])).toEqual([
    ["web", ["a", "b"]],
    ["db", []],
  ]);
  expect(settings.services[0]?.sidecar?.proxy?.Upstreams?.map((upstream) => upstream.DestinationName)).toEqual(["db"]);
});

test("maps are merged over several files, and pieces on the command line come last", async () => {
  const first = write("1.json", { node_meta: { a: "1", b: "1" }, ports: { http: 1, https: 2 } });
  const second = write("2.hcl", 'node_meta { b = "2" } ports { http = 3 }');
  const { settings } = await readConfigFiles([first, second], { fragments: ["ports { https = 4 }"] });
  expect(settings).toMatchObject({ nodeMeta: { a: "1", b: "2" }, httpPort: 3, edge: { httpsPort: 4 } });
});

test("a key may be spelt in camel case, and TLS by its older names", async () => {
  const path = write("camel.json", {
    nodeName: "vm-1",
    Ports: { HTTPS: 1 },
    cert_file: "a",
    tls: { https: { keyFile: "b" } },
  });
  const { settings, warnings } = await readConfigFiles([path]);
  expect(warnings).toEqual([]);
  expect(settings).toMatchObject({ nodeName: "vm-1", edge: { httpsPort: 1, certFile: "a", keyFile: "b" } });
});

test("a file of another kind is skipped with a warning unless its form is said", async () => {
  const path = write("agent.conf", { node_name: "a" });
  const read = await readConfigFiles([path]);
  expect(read.settings.nodeName).toBeUndefined();
  expect(read.warnings).toEqual([
    `skipping file ${path}, extension must be .hcl or .json, or config format must be set`,
  ]);
  expect((await readConfigFiles([path], { format: "json" })).settings.nodeName).toBe("a");
});

test("keys that nobody knows are warned about by name and do not stop the start", async () => {
  const path = write("unknown.json", {
    datacentre: "x",
    zebra: 1,
    ports: { htp: 1 },
    service: { name: "web", colour: "blue" },
  });
  const { warnings } = await readConfigFiles([path]);
  expect(warnings.map((warning) => warning.replace(`config file ${path}: `, ""))).toEqual([
    '"datacentre" is not a known key and is ignored (did you mean "datacenter"?)',
    '"zebra" is not a known key and is ignored',
    '"ports.htp" is not a known key and is ignored (did you mean "ports.http"?)',
    '"service.colour" is not used by this version and is ignored',
  ]);
});

test("keys of Consul's that change nothing here are told with the reason", async () => {
  const path = write("idle.json", {
    encrypt: "k",
    telemetry: { statsd_address: "a" },
    performance: { raft_multiplier: 1 },
  });
  const { warnings, notes } = await readConfigFiles([path]);
  expect(warnings).toEqual([]);
  expect(notes.map((note) => note.replace(`config file ${path}: `, ""))).toEqual([
    expect.stringMatching(/^"encrypt" has no effect: nodes hold leases/),
    '"telemetry.statsd_address" has no effect: metrics are scraped from /v1/agent/metrics, nothing is sent anywhere',
    '"performance.raft_multiplier" has no effect: Atoll\'s Raft has timers and storage of its own',
  ]);
});

describe("refused with the place of the mistake", () => {
  test.each<[string, unknown, string]>([
    [
      "a syntax error",
      '{\n  "server": true,\n  oops\n}',
      'config file FILE, line 3, column 3: expected a "key", found "o"',
    ],
    ["a trailing comma", '{ "server": true, }', 'config file FILE, line 1, column 19: expected a "key", found "}"'],
    ["an empty file", "", "config file FILE, line 1, column 1: expected a value, found the end of the file"],
    ["a list", "[]", "config file FILE: must hold one JSON object"],
    ["a wrong type", { server: "yes" }, 'config file FILE: server: must be boolean, found "yes"'],
    ["a port out of range", { ports: { http: 70_000 } }, "config file FILE: ports.http: must be <= 65535, found 70000"],
    [
      "a segment",
      { segment: "blue" },
      "config file FILE: segment: cannot be set: only Consul Enterprise has it: the node would be in a segment that nobody else sees",
    ],
    ["a list in place of a group", { ports: [1] }, "config file FILE: ports: must be an object"],
    ["a wrong item", { retry_join: ["a", 1] }, "config file FILE: retry_join[1]: must be string, found 1"],
    [
      "a bad duration",
      { check_update_interval: "soon" },
      'config file FILE: check_update_interval: must be a duration such as "5m", found "soon"',
    ],
  ])("%s", async (_what, content, message) => {
    expect(await refusal(content)).toBe(message);
  });

  test.each<[string, object, string]>([
    ["a service without a name", { services: [{ name: "ok" }, { port: 1 }] }, "services[1]"],
    ["a service's port", { service: { name: "web", port: 70_000 } }, "service.Port"],
    ["a check without a probe", { check: { name: "c" } }, "check"],
  ])("%s", async (_what, content, path) => {
    expect(await refusal(content)).toContain(`config file FILE: ${path}`);
  });

  test("a file that cannot be read, and one that is no HCL", async () => {
    const missing = join(dir.path, "missing.json");
    expect(readConfigFiles([missing])).rejects.toThrow(`config file ${missing} cannot be read: ENOENT`);
    const wrong = write("wrong.hcl", "ports {");
    expect(readConfigFiles([wrong])).rejects.toThrow(`config file ${wrong}, line 1, column 8: `);
  });
});
