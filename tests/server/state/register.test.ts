import { expect, test } from "bun:test";
import { createStateHarness } from "./state-harness.ts";
import {
  checkFields,
  deregisterCommand,
  nodeFields,
  registerCommand,
  serviceFields,
  sidecarFields,
} from "./records.ts";

const idA = "aaaaaaaa-0000-4000-8000-000000000000";
const idB = "bbbbbbbb-0000-4000-8000-000000000000";

test("a registration creates node, service and checks with the command's index", () => {
  const { reader, accept } = createStateHarness();
  const index = accept(
    registerCommand("n1", {
      service: serviceFields("web", { Tags: ["v1"] }),
      checks: [checkFields("n1", "alive"), checkFields("n1", "web-up", { ServiceID: "web" })],
    }),
  );
  const [instance] = reader.serviceInstances("web").value;
  expect(instance?.Node).toMatchObject({ Node: "n1", CreateIndex: index, ModifyIndex: index });
  expect(instance?.Service).toMatchObject({ ID: "web", Node: "n1", CreateIndex: index, ModifyIndex: index });
  expect(instance?.Checks.map((check) => check.CheckID)).toEqual(["alive", "web-up"]);
  expect(reader.appliedIndex()).toBe(index);
});

test("a check of a service carries the service's name and tags, whatever the registration says", () => {
  const { reader, accept } = createStateHarness();
  accept(
    registerCommand("n1", {
      service: serviceFields("web", { ID: "web-1", Tags: ["v1"] }),
      checks: [checkFields("n1", "up", { ServiceID: "web-1", ServiceName: "forged", ServiceTags: ["forged"] })],
    }),
  );
  expect(reader.serviceChecks("web").value).toMatchObject([{ ServiceName: "web", ServiceTags: ["v1"] }]);
  expect(reader.serviceChecks("forged").value).toEqual([]);
});

test("the checks of a service follow it to a new name and new tags", () => {
  const { reader, accept } = createStateHarness();
  const check = checkFields("n1", "up", { ServiceID: "id-1" });
  accept(registerCommand("n1", { service: serviceFields("old", { ID: "id-1" }), checks: [check] }));
  const index = accept(registerCommand("n1", { service: serviceFields("new", { ID: "id-1", Tags: ["v2"] }) }));
  expect(reader.serviceInstances("old").value).toEqual([]);
  expect(reader.serviceChecks("old").value).toEqual([]);
  expect(reader.serviceChecks("new").value).toMatchObject([
    { CheckID: "up", ServiceName: "new", ServiceTags: ["v2"], CreateIndex: 2, ModifyIndex: index },
  ]);
});

test("registering the same again moves no index at all", () => {
  const { reader, state, accept } = createStateHarness();
  const command = registerCommand("n1", {
    node: nodeFields("n1", { ID: idA, Meta: { b: "2", a: "1" } }),
    service: serviceFields("web", { Tags: ["x"], Meta: { k: "v" } }),
    checks: [checkFields("n1", "up", { ServiceID: "web", Output: "ok" })],
  });
  accept(command);
  const before = [...state.dump()];
  // The order of the keys in an object does not make it another one.
  accept({ ...command, node: nodeFields("n1", { ID: idA, Meta: { a: "1", b: "2" } }) });
  expect([...state.dump()]).toEqual(before);
  expect(reader.appliedIndex()).toBe(3);
});

test("a changed record keeps its CreateIndex", () => {
  const { reader, accept } = createStateHarness();
  const created = accept(registerCommand("n1", { service: serviceFields("web") }));
  const modified = accept(registerCommand("n1", { service: serviceFields("web", { Port: 9090 }) }));
  expect(reader.nodeServices("n1").value).toMatchObject([{ Port: 9090, CreateIndex: created, ModifyIndex: modified }]);
  expect(reader.node("n1").value).toMatchObject({ ModifyIndex: created });
});

test("SkipNodeUpdate leaves a known node alone and still creates an unknown one", () => {
  const { reader, accept } = createStateHarness();
  accept(registerCommand("n1", { node: nodeFields("n1", { Address: "10.0.0.1" }) }));
  accept(registerCommand("n1", { node: nodeFields("n1", { Address: "10.9.9.9" }), skipNodeUpdate: true }));
  accept(registerCommand("n2", { node: nodeFields("n2", { Address: "" }), skipNodeUpdate: true }));
  expect(reader.nodes().value).toMatchObject([
    { Node: "n1", Address: "10.0.0.1" },
    { Node: "n2", Address: "" },
  ]);
});

test("a registration without a node ID does not erase the known one", () => {
  const { reader, accept } = createStateHarness();
  accept(registerCommand("n1", { node: nodeFields("n1", { ID: idA }) }));
  accept(registerCommand("n1", { node: nodeFields("n1", { Address: "10.0.0.2" }) }));
  expect(reader.node("n1").value).toMatchObject({ ID: idA, Address: "10.0.0.2" });
});

const reservations = [
  { liveness: "passing", isRefused: true },
  { liveness: "warning", isRefused: true },
  { liveness: "critical", isRefused: false },
  { liveness: undefined, isRefused: false },
] as const;
for (const { liveness, isRefused } of reservations) {
  const name = `a node name is ${isRefused ? "kept for" : "free of"} its ID while serfHealth is ${liveness ?? "absent"}`;
  test(name, () => {
    const { reader, apply, accept } = createStateHarness();
    const checks = liveness === undefined ? [] : [checkFields("n1", "serfHealth", { Status: liveness })];
    accept(registerCommand("n1", { node: nodeFields("n1", { ID: idA }), checks, service: serviceFields("web") }));
    const result = apply(registerCommand("n1", { node: nodeFields("n1", { ID: idB, Address: "10.0.0.9" }) }));
    if (isRefused) {
      expect(result).toMatchObject({ ok: false, code: "CONFLICT" });
      expect(JSON.stringify(result)).toContain(`Node name n1 is reserved by node ${idA} with name n1 (10.0.0.1)`);
      expect(reader.node("n1").value?.ID).toBe(idA);
    } else {
      expect(result.ok).toBe(true);
      expect(reader.node("n1").value).toMatchObject({ ID: idB, Address: "10.0.0.9", CreateIndex: 2 });
      expect(reader.nodeServices("n1").value).toHaveLength(1);
    }
  });
}

test("a known node ID under a new name renames the node: the old name and what was on it are gone", () => {
  const { reader, accept } = createStateHarness();
  accept(
    registerCommand("old", {
      node: nodeFields("old", { ID: idA }),
      service: serviceFields("web"),
      checks: [checkFields("old", "up", { ServiceID: "web" }), checkFields("old", "serfHealth")],
    }),
  );
  accept(registerCommand("new", { node: nodeFields("new", { ID: idA }) }));
  expect(reader.nodes().value.map((node) => node.Node)).toEqual(["new"]);
  expect(reader.serviceInstances("web").value).toEqual([]);
  expect(reader.checksInState("any").value).toEqual([]);
});

test("an ID whose name was taken over comes back under another name without touching the new owner", () => {
  const { reader, accept } = createStateHarness();
  accept(registerCommand("n1", { node: nodeFields("n1", { ID: idA }) }));
  accept(registerCommand("n1", { node: nodeFields("n1", { ID: idB }) }));
  accept(registerCommand("n2", { node: nodeFields("n2", { ID: idA }) }));
  expect(reader.nodes().value).toMatchObject([
    { Node: "n1", ID: idB },
    { Node: "n2", ID: idA },
  ]);
});

test("a rename does not swallow a living node without an ID", () => {
  const { reader, apply, accept } = createStateHarness();
  accept(registerCommand("a", { node: nodeFields("a", { ID: idA }) }));
  accept(registerCommand("b", { checks: [checkFields("b", "serfHealth")] }));
  expect(apply(registerCommand("b", { node: nodeFields("b", { ID: idA }) }))).toMatchObject({ code: "CONFLICT" });
  expect(reader.nodes().value.map((node) => node.Node)).toEqual(["a", "b"]);
});

const refusals = [
  {
    why: "without a node name",
    command: registerCommand("", { service: serviceFields("web") }),
    message: "Node is required",
  },
  {
    why: "without an address",
    command: registerCommand("n2", { node: nodeFields("n2", { Address: "" }) }),
    message: "Must provide address if SkipNodeUpdate is not set",
  },
  {
    why: "with a control character in a name",
    command: registerCommand("n2", { service: serviceFields("web", { ID: "a\u0000b" }) }),
    message: 'Service.ID must not hold control characters: "a\\u0000b"',
  },
  {
    why: "with half a surrogate pair in a name",
    command: registerCommand("n2", { service: serviceFields("\ud800") }),
    message: "must not hold control characters",
  },
  {
    why: "with a name that is too long",
    command: registerCommand("n".repeat(1025)),
    message: "Node is 1025 characters long",
  },
  {
    why: "with a check of a service that is not there",
    command: registerCommand("n2", {
      service: serviceFields("web"),
      checks: [checkFields("n2", "up", { ServiceID: "api" })],
    }),
    message: `Unknown service ID 'api' for check ID 'up': node "n2" does not have it`,
  },
  {
    why: "with a check of another node",
    command: registerCommand("n2", { checks: [checkFields("n3", "up")] }),
    message: 'check "up" names node "n3", not "n2"',
  },
  {
    why: "of a sidecar with a control character in its destination",
    command: registerCommand("n2", { service: sidecarFields("a\u0000b", { ID: "p", Service: "p" }) }),
    message: "Proxy.DestinationServiceName must not hold control characters",
  },
  {
    why: "of a sidecar without a destination",
    command: registerCommand("n2", { service: serviceFields("p", { Kind: "connect-proxy" }) }),
    message: "Proxy.DestinationServiceName must be non-empty for Connect proxy services",
  },
];
for (const { why, command, message } of refusals) {
  test(`a registration ${why} is refused and changes nothing`, () => {
    const { state, apply, accept } = createStateHarness();
    accept(registerCommand("n1", { service: serviceFields("db") }));
    const before = [...state.dump()];
    const result = apply(command);
    expect(result).toMatchObject({ ok: false, code: "INVALID_ARGUMENT" });
    expect(result.ok ? "" : result.message).toContain(message);
    expect([...state.dump()]).toEqual(before);
  });
}

test("deregistering a service removes its checks and leaves those of its neighbours and its node", () => {
  const { reader, accept } = createStateHarness();
  const checks = [checkFields("n1", "node-up"), checkFields("n1", "web-up", { ServiceID: "web" })];
  accept(registerCommand("n1", { service: serviceFields("web"), checks }));
  const dbUp = checkFields("n1", "db-up", { ServiceID: "db" });
  accept(registerCommand("n1", { service: serviceFields("db"), checks: [dbUp] }));
  accept(deregisterCommand("n1", { serviceId: "web" }));
  expect(reader.nodeServices("n1").value.map((service) => service.ID)).toEqual(["db"]);
  expect(reader.nodeChecks("n1").value.map((check) => check.CheckID)).toEqual(["db-up", "node-up"]);
});

test("deregistering a node removes everything on it and nothing else", () => {
  const { reader, accept } = createStateHarness();
  for (const node of ["n1", "n2"]) {
    const checks = [checkFields(node, "serfHealth"), checkFields(node, "up", { ServiceID: "web" })];
    accept(registerCommand(node, { service: serviceFields("web"), checks }));
  }
  accept(deregisterCommand("n1"));
  expect(reader.nodes().value.map((node) => node.Node)).toEqual(["n2"]);
  expect(reader.serviceInstances("web").value.map((instance) => instance.Node.Node)).toEqual(["n2"]);
  expect(reader.checksInState("any").value.map((check) => check.Node)).toEqual(["n2", "n2"]);
});

test("deregistering what is not there succeeds and moves no index", () => {
  const { state, accept } = createStateHarness();
  accept(registerCommand("n1", { service: serviceFields("web") }));
  const before = [...state.dump()];
  accept(deregisterCommand("nowhere"));
  accept(deregisterCommand("n1", { serviceId: "nothing" }));
  accept(deregisterCommand("n1", { checkId: "nothing" }));
  expect([...state.dump()]).toEqual(before);
});

test("connect instances are the sidecars by destination and the native instances", () => {
  const { reader, accept } = createStateHarness();
  accept(registerCommand("n2", { service: sidecarFields("web") }));
  accept(registerCommand("n1", { service: serviceFields("web", { Connect: { Native: true } }) }));
  accept(registerCommand("n3", { service: serviceFields("web") }));
  accept(registerCommand("n3", { service: sidecarFields("api") }));
  const found = reader.connectInstances("web").value.map(({ Node, Service }) => `${Node.Node}/${Service.ID}`);
  expect(found.toSorted()).toEqual(["n1/web", "n2/web-sidecar-proxy"]);
});

test("instances come in the order of node, then ID", () => {
  const { reader, accept } = createStateHarness();
  for (const [node, id] of [
    ["b", "2"],
    ["a", "9"],
    ["b", "1"],
    ["a", "10"],
  ] as const) {
    accept(registerCommand(node, { service: serviceFields("web", { ID: id }) }));
  }
  const order = reader.serviceInstances("web").value.map(({ Node, Service }) => `${Node.Node}/${Service.ID}`);
  expect(order).toEqual(["a/10", "a/9", "b/1", "b/2"]);
});

test("services are listed with the sorted union of their tags, by node meta where asked", () => {
  const { reader, accept } = createStateHarness();
  const inZone = (name: string, zone: string) => nodeFields(name, { Meta: { zone } });
  accept(registerCommand("n1", { node: inZone("n1", "a"), service: serviceFields("web", { Tags: ["v2", "eu"] }) }));
  accept(registerCommand("n2", { node: inZone("n2", "b"), service: serviceFields("web", { Tags: ["v1", "eu"] }) }));
  accept(registerCommand("n2", { node: inZone("n2", "b"), service: serviceFields("api") }));
  expect([...reader.services().value]).toEqual([
    ["api", []],
    ["web", ["eu", "v1", "v2"]],
  ]);
  expect([...reader.services({ zone: "a" }).value]).toEqual([["web", ["eu", "v2"]]]);
  expect([...reader.services({ zone: "a", rack: "1" }).value]).toEqual([]);
});
