import { expect, test } from "bun:test";
import { createAgentJudge } from "../../../server/acl/agent-judge.ts";
import { createAclResolver } from "../../../server/acl/resolver.ts";
import { aclPolicy, aclRole, aclToken } from "../state/acl-records.ts";
import { checkFields, nodeFields, registerCommand, serviceFields, sidecarFields } from "../state/records.ts";
import { createStateHarness } from "../state/state-harness.ts";

function setUp(isEnabled = true) {
  const harness = createStateHarness();
  const clock = { nowMs: () => Date.parse("2026-03-01T00:00:00Z") };
  const settings = { isEnabled, defaultPolicy: "deny", datacenter: "dc1" } as const;
  const acl = createAclResolver({ reader: harness.reader, settings, clock });
  return { harness, acl };
}

const webRules = 'service "web" { policy = "write" }';

test("what is compiled is used until a policy or role changes, and by all tokens with the same policies", () => {
  const { harness, acl } = setUp();
  harness.accept({ type: "acl-policy-upsert", policy: aclPolicy("p", webRules), isNew: true });
  harness.accept({ type: "acl-token-upsert", token: aclToken("a", { Policies: ["p"], secret: "one" }), isNew: true });
  harness.accept({ type: "acl-role-upsert", role: aclRole("r", { Policies: ["p"] }), isNew: true });
  harness.accept({ type: "acl-token-upsert", token: aclToken("b", { Roles: ["r"], secret: "two" }), isNew: true });
  const one = acl.resolve("one");
  expect(acl.resolve("one")).toBe(one);
  expect(acl.resolve("two").key).toBe(one.key);
  expect(acl.resolve("two").accessorId).toBe("b");
  harness.accept({ type: "acl-policy-upsert", policy: aclPolicy("p", ""), isNew: false });
  expect(one.allows("service", "write", "web")).toBe(true);
  expect(acl.resolve("one").allows("service", "write", "web")).toBe(false);
  expect(acl.resolve("one").key).not.toBe(one.key);
  harness.accept({ type: "acl-token-delete", accessorIds: ["a"] });
  expect(() => acl.resolve("one")).toThrow("ACL not found");
});

test("policies hold in the datacenters that they name", () => {
  const { harness, acl } = setUp();
  harness.accept({
    type: "acl-policy-upsert",
    policy: aclPolicy("p", webRules, { Datacenters: ["dc2"] }),
    isNew: true,
  });
  harness.accept({
    type: "acl-policy-upsert",
    policy: aclPolicy("q", 'acl = "read"', { Datacenters: ["dc1"] }),
    isNew: true,
  });
  harness.accept({
    type: "acl-token-upsert",
    token: aclToken("a", { Policies: ["p", "q"], secret: "s" }),
    isNew: true,
  });
  expect(acl.resolve("s").allows("service", "read", "web")).toBe(false);
  expect(acl.resolve("s").allows("acl", "read")).toBe(true);
});

test("before anything was initialised a request without a token may nothing, and nothing breaks", () => {
  const { acl } = setUp();
  expect(acl.resolve("").allows("node", "read", "a")).toBe(false);
  expect(setUp(false).acl.resolve("anything").isUnrestricted).toBe(true);
});

test("an agent's certificate is enough for what is on its node, a token is needed for a new service", () => {
  const { harness, acl } = setUp();
  const judge = createAgentJudge({ acl, reader: harness.reader, catchUp: async () => false });
  harness.accept({ type: "acl-policy-upsert", policy: aclPolicy("p", webRules), isNew: true });
  harness.accept({ type: "acl-token-upsert", token: aclToken("a", { Policies: ["p"], secret: "s" }), isNew: true });
  const write = (name: string, token: string) => () =>
    judge.demandWrite(registerCommand("n1", { service: serviceFields(name, { ID: "one" }) }), { node: "n1", token });
  const sign = (service: string, token: string) => () => judge.demandService(service, { node: "n1", token });
  expect(() => judge.demandWrite(registerCommand("n1"), { node: "n1", token: "" })).not.toThrow();
  expect(write("web", "")).toThrow('service "web" without a token');
  expect(write("web", "gone")).toThrow('service "web" with the token that it was registered with: ACL not found');
  expect(write("db", "s")).toThrow("lacks permission 'service:write' on \"db\"");
  expect(write("web", "s")).not.toThrow();
  expect(sign("web", "")).toThrow('service "web" without a token');
  expect(sign("web", "s")).not.toThrow();

  harness.accept(registerCommand("n1", { service: serviceFields("web", { ID: "one" }) }));
  expect(write("web", "gone")).not.toThrow();
  expect(write("db", "gone")).toThrow('service "db"');
  expect(sign("web", "")).not.toThrow();
  // A proxy that was one's own is not pointed at somebody else's service.
  harness.accept(registerCommand("n1", { service: sidecarFields("web", { ID: "p" }) }));
  const point = (destination: string) => () =>
    judge.demandWrite(
      registerCommand("n1", {
        service: { ...sidecarFields(destination, { ID: "p" }), Service: "web-sidecar-proxy" },
      }),
      { node: "n1", token: "gone" },
    );
  expect(point("web")).not.toThrow();
  expect(point("db")).toThrow('service "db"');
  // For another node it proves nothing.
  expect(() => judge.demandService("web", { node: "n2", token: "" })).toThrow();
  harness.accept(registerCommand("n1", { service: sidecarFields("api", { ID: "proxy" }) }));
  expect(sign("api", "")).not.toThrow();
  expect(() =>
    judge.demandWrite({ type: "deregister", node: "n1", serviceId: "one" }, { node: "n1", token: "gone" }),
  ).not.toThrow();
});

test("a refusal is looked at again after catching up, as for a token that was made a moment ago elsewhere", async () => {
  const { harness, acl } = setUp();
  const judge = createAgentJudge({
    acl,
    reader: harness.reader,
    async catchUp() {
      harness.accept({ type: "acl-token-upsert", token: aclToken("a", { secret: "new" }), isNew: true });
      return true;
    },
  });
  expect((await judge.judged(() => acl.resolve("new"))).accessorId).toBe("a");
});

test("another node's ID is not an agent's to bring, unless that node is gone", () => {
  const { harness, acl } = setUp();
  const judge = createAgentJudge({ acl, reader: harness.reader, catchUp: async () => false });
  const ID = "00000000-0000-4000-8000-00000000000a";
  const liveness = (Status: "passing" | "critical") => {
    const check = checkFields("n2", "serfHealth", { Status });
    harness.accept(registerCommand("n2", { node: { ...nodeFields("n2"), ID }, checks: [check] }));
  };
  const take = () =>
    judge.demandWrite(registerCommand("n1", { node: { ...nodeFields("n1"), ID } }), { node: "n1", token: "" });
  expect(take).not.toThrow();
  liveness("passing");
  expect(take).toThrow("lacks permission 'node:write' on \"n2\"");
  liveness("critical");
  expect(take).not.toThrow();
});
