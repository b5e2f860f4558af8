import { expect, test } from "bun:test";
import type { Command } from "../../../lib/contract/commands.ts";
import type { ConfigEntry } from "../../../lib/contract/config-entries.ts";
import {
  caRootFields,
  checkFields,
  deregisterCommand,
  intentionsEntry,
  nodeFields,
  registerCommand,
  serviceFields,
  sidecarFields,
} from "./records.ts";
import { createStateHarness, readsOf, type StateHarness } from "./state-harness.ts";

/** web with its sidecar and a check on n1, api on n2, an intention from api to db. */
function createMesh(): StateHarness {
  const mesh = createStateHarness();
  const n1 = nodeFields("n1", { Meta: { zone: "a" } });
  const webUp = checkFields("n1", "web-up", { ServiceID: "web" });
  mesh.accept(registerCommand("n1", { node: n1, service: serviceFields("web"), checks: [webUp] }));
  mesh.accept(
    registerCommand("n1", { node: n1, service: sidecarFields("web"), checks: [checkFields("n1", "serfHealth")] }),
  );
  mesh.accept(registerCommand("n2", { service: serviceFields("api") }));
  mesh.accept(upsert(intentionsEntry("db", { api: "allow" })));
  return mesh;
}

const upsert = (entry: ConfigEntry): Command => ({ type: "config-entry-upsert", entry });
const n1 = nodeFields("n1", { Meta: { zone: "a" } });
const services = ["services", "services with node meta"];
const shownOnN1 = ["instances of web", "instances of web-sidecar-proxy", "connect to web"];
const anyService = ["web", "api", "web-sidecar-proxy", "db"];

const changes: { what: string; command: Command; moved: string[] }[] = [
  {
    what: "a check of the node moves every service on the node",
    command: registerCommand("n1", { node: n1, checks: [checkFields("n1", "serfHealth", { Status: "critical" })] }),
    moved: ["checks any", "checks passing", "checks critical", "checks on n1", ...shownOnN1],
  },
  {
    what: "a check of a service moves that service alone, not its sidecar",
    command: registerCommand("n1", {
      node: n1,
      checks: [checkFields("n1", "web-up", { ServiceID: "web", Status: "warning" })],
    }),
    moved: ["checks any", "checks passing", "checks warning", "checks on n1", "checks of web", "instances of web"],
  },
  {
    what: "new output of a check is a change of that check",
    command: registerCommand("n1", {
      node: n1,
      checks: [checkFields("n1", "web-up", { ServiceID: "web", Output: "slow" })],
    }),
    moved: ["checks any", "checks passing", "checks on n1", "checks of web", "instances of web"],
  },
  {
    what: "another port moves the service and its node's list, not the list of names",
    command: registerCommand("n2", { service: serviceFields("api", { Port: 1 }) }),
    moved: ["services on n2", "instances of api"],
  },
  {
    what: "another tag moves the list of names and the checks that carry the tags",
    command: registerCommand("n1", { node: n1, service: serviceFields("web", { Tags: ["v2"] }) }),
    moved: [
      ...services,
      "services on n1",
      "instances of web",
      "checks any",
      "checks passing",
      "checks on n1",
      "checks of web",
    ],
  },
  {
    what: "another address of the node moves every service on the node",
    command: registerCommand("n1", { node: { ...n1, Address: "10.0.0.2" } }),
    moved: ["nodes", "node n1", "services with node meta", ...shownOnN1],
  },
  {
    what: "a second instance moves its name only",
    command: registerCommand("n2", { service: serviceFields("web") }),
    moved: [...services, "services on n2", "instances of web"],
  },
  {
    what: "a native instance moves the connect read of its name as well",
    command: registerCommand("n2", { service: serviceFields("web", { Connect: { Native: true } }) }),
    moved: [...services, "services on n2", "instances of web", "connect to web"],
  },
  {
    what: "a sidecar for another destination moves both destinations",
    command: registerCommand("n1", {
      node: n1,
      service: sidecarFields("api", { ID: "web-sidecar-proxy", Service: "web-sidecar-proxy" }),
    }),
    // web has no sidecar left: it gets the extinction index, and so do names that never had one.
    moved: [
      "services on n1",
      "instances of web-sidecar-proxy",
      "connect to web",
      "connect to api",
      "connect to web-sidecar-proxy",
      "connect to db",
      "virtual IPs of web",
      "virtual IPs of api",
    ],
  },
  {
    what: "service-defaults move the service's configuration",
    command: upsert({
      Kind: "service-defaults",
      Name: "web",
      Meta: {},
      Protocol: "http",
      MaxInboundConnections: 0,
      LocalConnectTimeoutMs: 0,
      LocalRequestTimeoutMs: 0,
    }),
    moved: ["entries service-defaults", "service-defaults web", "config of web"],
  },
  {
    what: "proxy-defaults move the configuration of every service",
    command: upsert({ Kind: "proxy-defaults", Name: "global", Meta: {}, Config: { protocol: "http" } }),
    moved: ["entries proxy-defaults", "proxy-defaults", ...anyService.map((name) => `config of ${name}`)],
  },
  {
    what: "an intention moves its source and its destination",
    command: upsert(intentionsEntry("web", { api: "deny" })),
    moved: [
      "all intentions",
      "entries service-intentions",
      "service-intentions web",
      "intentions to web",
      "intentions from api",
    ],
  },
  {
    what: "an intention from everyone moves every source",
    command: upsert(intentionsEntry("web", { "*": "deny" })),
    moved: [
      "all intentions",
      "entries service-intentions",
      "service-intentions web",
      "intentions to web",
      ...anyService.map((name) => `intentions from ${name}`),
    ],
  },
  {
    what: "an intention to everyone moves every destination",
    command: upsert(intentionsEntry("*", { web: "deny" })),
    moved: [
      "all intentions",
      "entries service-intentions",
      ...anyService.map((name) => `intentions to ${name}`),
      "intentions from web",
    ],
  },
  {
    what: "the certificate authority moves the roots",
    command: { type: "ca-initialize", root: caRootFields("aa") },
    moved: ["ca roots"],
  },
];

for (const { what, command, moved } of changes) {
  test(`${what}, and no other index`, () => {
    const mesh = createMesh();
    const queries = [...readsOf(anyService, ["n1", "n2"])];
    const before = new Map(queries.map(([name, query]) => [name, query(mesh.reader).index]));
    const woken = new Set<string>();
    for (const [name, query] of queries) mesh.state.watches.watch(query(mesh.reader).watch, () => woken.add(name));
    const index = mesh.accept(command);
    const after = new Map(queries.map(([name, query]) => [name, query(mesh.reader).index]));
    const changed = queries.map(([name]) => name).filter((name) => after.get(name) !== before.get(name));
    expect(changed.toSorted()).toEqual(moved.toSorted());
    for (const name of changed) expect(after.get(name)).toBe(index);
    // Whoever lost its last member is not watching the others of its family: woken is at most what moved.
    for (const name of woken) expect(moved).toContain(name);
  });
}

test("a service without instances has the index of the last extinction, and its index never falls", () => {
  const { reader, accept } = createStateHarness();
  expect(reader.serviceInstances("web").index).toBe(1);
  accept(registerCommand("n1", { service: serviceFields("web") }));
  const grown = accept(registerCommand("n1", { service: serviceFields("web", { Port: 1 }) }));
  expect(reader.serviceInstances("web").index).toBe(grown);
  const extinct = accept(deregisterCommand("n1", { serviceId: "web" }));
  expect(reader.serviceInstances("web")).toMatchObject({ index: extinct, value: [] });
  accept(registerCommand("n1", { service: serviceFields("api") }));
  expect(reader.serviceInstances("web").index).toBe(extinct);
  const second = accept(deregisterCommand("n1", { serviceId: "api" }));
  expect(reader.serviceInstances("web").index).toBe(second);
  const back = accept(registerCommand("n1", { service: serviceFields("web") }));
  expect(reader.serviceInstances("web").index).toBe(back);
});

test("losing one of two instances is a change of the service, not an extinction", () => {
  const { reader, accept } = createStateHarness();
  accept(registerCommand("n1", { service: serviceFields("web") }));
  accept(registerCommand("n2", { service: serviceFields("web") }));
  const index = accept(deregisterCommand("n2", { serviceId: "web" }));
  expect(reader.serviceInstances("web").index).toBe(index);
  expect(reader.serviceInstances("unknown").index).toBe(1);
});

test("reading again without a change gives the very same object", () => {
  const { reader, accept } = createStateHarness();
  accept(registerCommand("n1", { service: serviceFields("web") }));
  const first = reader.serviceInstances("web");
  accept(registerCommand("n2", { service: serviceFields("api") }));
  expect(reader.serviceInstances("web")).toBe(first);
  accept(registerCommand("n1", { service: serviceFields("web", { Port: 1 }) }));
  expect(reader.serviceInstances("web")).not.toBe(first);
});
