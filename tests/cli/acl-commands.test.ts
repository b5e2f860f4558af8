import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { commands } from "../../cli/commands.ts";
import { dispatch } from "../../cli/dispatch.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { type AclAgent, management, startAclAgent } from "../mesh/acl/matrix-cluster.ts";
import { createFakeIo } from "./fake-io.ts";

/** `acl` as a person types it, against a real agent that denies by default. */
let agent: AclAgent;
let dir: TempDir;

beforeAll(async () => {
  dir = createTempDir();
  agent = await startAclAgent();
}, 40_000);

afterAll(async () => {
  await agent?.stop();
  dir[Symbol.dispose]();
});

async function acl(args: readonly string[], token = management, asked = agent) {
  const io = createFakeIo();
  const env = { CONSUL_HTTP_ADDR: `127.0.0.1:${asked.running.http.address.port}`, CONSUL_HTTP_TOKEN: token };
  const code = await dispatch(["acl", ...args], commands, { ...io, env, program: "consul" });
  return { code, out: io.out(), err: io.err() };
}

async function json(...args: readonly string[]): Promise<Record<string, string>> {
  const result = await acl([...args, "-format=json"]);
  expect(result.err).toBe("");
  return JSON.parse(result.out);
}

test("bootstrap prints the first token, once", async () => {
  const secret = join(dir.path, "secret");
  writeFileSync(secret, "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\n");
  // The other agent's first token is in its configuration.
  const taken = await acl(["bootstrap", secret], "");
  expect([taken.code, taken.err]).toEqual([1, expect.stringContaining("ACL bootstrap no longer allowed")]);
  const fresh = await startAclAgent({ isBootstrapped: false });
  const first = await acl(["bootstrap", secret], "", fresh);
  expect(first.out).toContain("SecretID:         aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\n");
  expect(first.out).toContain("Policies:\n   00000000-0000-0000-0000-000000000001 - global-management\n");
  const second = await acl(["bootstrap"], "", fresh);
  await fresh.stop();
  expect([second.code, second.err]).toEqual([1, expect.stringContaining("ACL bootstrap no longer allowed")]);
}, 40_000);

test("policies are created from files, read, changed, listed and deleted", async () => {
  const rules = join(dir.path, "web.hcl");
  writeFileSync(rules, 'service "web" { policy = "write" }');
  const made = await acl(["policy", "create", "-name=web", `-rules=@${rules}`, "-description=for web"]);
  expect(made.out).toContain(
    'Name:         web\nDescription:  for web\nDatacenters:\nRules:\nservice "web" { policy = "write" }\n',
  );
  const { ID = "" } = await json("policy", "read", "-name=web");
  const changed = await json("policy", "update", `-id=${ID.slice(0, 8)}`, "-name=web2", "-valid-datacenter=dc1");
  expect(changed).toMatchObject({ ID, Name: "web2", Description: "for web", Datacenters: ["dc1"] });
  expect((await acl(["policy", "list"])).out).toContain(`web2:\n   ID:           ${ID}\n   Description:  for web\n`);
  const bare = await json("policy", "update", "-name=web2", "-no-merge");
  expect(bare).toMatchObject({ ID, Description: "", Rules: "" });
  expect((await acl(["policy", "delete", "-name=web2"])).out).toBe(`Policy "${ID}" deleted successfully\n`);
  expect((await acl(["policy", "read", `-id=${ID}`])).err).toContain(
    "403: Requested policy does not exist: ACL not found",
  );
  expect((await acl(["policy", "read"])).err).toContain("Must specify either the -id or -name parameters");
  expect((await acl(["policy", "create", "-name=x", "-rules=acl = 1"])).err).toContain("Rules: acl must be");
});

test("roles and tokens are given policies and identities, and more of them", async () => {
  await json("policy", "create", "-name=one", '-rules=acl = "read"');
  await json("policy", "create", "-name=two", '-rules=mesh = "read"');
  const role = await json("role", "create", "-name=team", "-policy-name=one", "-node-identity=vm1:dc1");
  expect(role).toMatchObject({ Policies: [{ Name: "one" }], NodeIdentities: [{ NodeName: "vm1", Datacenter: "dc1" }] });
  const more = await acl(["role", "update", "-name=team", "-policy-name=two"]);
  expect(more.out).toMatch(
    /Policies:\n {3}[0-9a-f-]+ - one\n {3}[0-9a-f-]+ - two\nNode Identities:\n {3}vm1 \(Datacenter: dc1\)\n/,
  );
  expect(await json("role", "update", "-name=team", "-policy-name=two", "-no-merge")).not.toHaveProperty(
    "NodeIdentities",
  );

  const token = await json(
    "token",
    "create",
    "-description=ci",
    "-role-name=team",
    "-service-identity=web:dc1,dc2",
    "-templated-policy=builtin/service",
    "-var=name:api",
    "-expires-ttl=1h",
  );
  expect(token).toMatchObject({
    Roles: [{ Name: "team" }],
    ServiceIdentities: [{ ServiceName: "web", Datacenters: ["dc1", "dc2"] }],
    TemplatedPolicies: [{ TemplateName: "builtin/service", TemplateVariables: { Name: "api" } }],
  });
  const { AccessorID = "", SecretID = "" } = token;
  const self = await acl(["token", "read", "-self"], SecretID);
  expect(self.out).toContain(`SecretID:         ${SecretID}\nDescription:      ci\n`);
  const updated = await json("token", "update", `-accessor-id=${AccessorID.slice(0, 10)}`, "-append-policy-name=one");
  expect(updated).toMatchObject({ Description: "ci", Policies: [{ Name: "one" }], Roles: [{ Name: "team" }] });
  const replaced = await json("token", "update", `-id=${AccessorID}`, "-policy-name=two", "-description=cd");
  expect(replaced).toMatchObject({ Description: "cd", Policies: [{ Name: "two" }], Roles: [{ Name: "team" }] });
  expect(
    (await json("token", "update", `-id=${AccessorID}`, "-policy-name=one", "-merge-policies"))["Policies"],
  ).toHaveLength(2);
  const clone = await json("token", "clone", `-accessor-id=${AccessorID}`, "-description=copy");
  expect(clone).toMatchObject({ Description: "copy", Roles: [{ Name: "team" }] });
  expect((await acl(["token", "list"])).out).toContain(`AccessorID:       ${AccessorID}\nSecretID:         <hidden>\n`);
  expect((await acl(["token", "delete", `-accessor-id=${AccessorID}`])).out).toBe(
    `Token "${AccessorID}" deleted successfully\n`,
  );
  expect((await acl(["token", "read", "-self"], SecretID)).err).toContain("403: ACL not found");
  expect((await acl(["role", "delete", "-name=team"])).out).toContain("deleted successfully");
  expect((await acl(["role", "list"])).out).toBe("");
});

test("the agent's own tokens are set by name", async () => {
  expect((await acl(["set-agent-token", "dns", "some-secret"])).out).toBe('ACL token "dns" set successfully\n');
  expect((await acl(["set-agent-token", "dsn", "some-secret"])).err).toContain('Unknown token type "dsn"');
  expect((await acl(["set-agent-token", "dns", "some-secret"], "")).err).toContain("lacks permission 'agent:write'");
});
