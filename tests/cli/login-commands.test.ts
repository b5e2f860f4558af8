import { afterAll, beforeAll, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SignJWT } from "jose";
import { commands } from "../../cli/commands.ts";
import { dispatch } from "../../cli/dispatch.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { type AgentProcess, startAgentProcess } from "../mesh/agent-process.ts";
import { createFakeIo } from "./fake-io.ts";

/** Logins from the command line against a real agent, and what its audit log says of them. */
const management = "8ea9a4e5-5a4d-4b4a-9c3c-5f0a0b1c2d3e";
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
const variable = "$" + "{value.team}";

let agent: AgentProcess;
let address: string;
let dir: TempDir;

beforeAll(async () => {
  dir = createTempDir();
  const [httpPort = 0] = await findFreePorts("127.0.0.1", 1);
  address = `127.0.0.1:${httpPort}`;
  const config = `acl { enabled = true default_policy = "deny" tokens { initial_management = "${management}" } }
audit { enabled = true sink "main" { type = "file" path = "${dir.path}/audit/log.json" rotate_bytes = 1000000 } }`;
  const file = write("agent.hcl", config);
  agent = await startAgentProcess({
    httpPort,
    token: management,
    args: ["-dev", "-node=vm-1", "-server-port=0", `-config-file=${file}`],
  });
  await eventually(
    "the management token",
    async () => (await atoll(management, "acl", "auth-method", "list")).code === 0,
  );
}, 40_000);

afterAll(async () => {
  await agent?.end("SIGKILL");
  dir[Symbol.dispose]();
});

async function atoll(token: string, ...args: string[]) {
  const io = createFakeIo();
  const env = { ...process.env, CONSUL_HTTP_ADDR: address, CONSUL_HTTP_TOKEN: token };
  const code = await dispatch(args, commands, { ...io, env });
  return { code, out: io.out(), err: io.err() };
}

const auth = (...args: string[]) => atoll(management, "acl", ...args);

function write(name: string, text: string): string {
  const path = join(dir.path, name);
  writeFileSync(path, text);
  return path;
}

function auditLines(): { readonly text: string; readonly payloads: Record<string, unknown>[] } {
  const folder = join(dir.path, "audit");
  const text = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("");
  return {
    text,
    payloads: text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).payload),
  };
}

test("a method and its rule are made, changed, listed; a login and its end leave their traces", async () => {
  const config = write("method.hcl", `JWTValidationPubKeys = [<<EOF\n${pem}EOF\n]\nClaimMappings { team = "team" }\n`);
  const made = await auth("auth-method", "create", "-name=ci", "-type=jwt", `-config=@${config}`, "-max-token-ttl=1h");
  expect([made.code, made.err]).toEqual([0, ""]);
  expect(made.out).toMatch(/^Name: {9}ci\nType: {9}jwt\nDescription:\nMaxTokenTTL: {2}1h0m0s\nConfig:\n\{/);
  const rule = ["-method=ci", "-bind-type=service", `-bind-name=${variable}`, "-selector=value.team == web"];
  const ruled = await auth("binding-rule", "create", ...rule, "-format=json");
  const { ID } = JSON.parse(ruled.out);
  const changed = await auth("binding-rule", "update", `-id=${ID}`, "-description=Of CI");
  expect(changed.out).toBe(
    `ID:           ${ID}\nAuthMethod:   ci\nDescription:  Of CI\nBindType:     service\nBindName:     ${variable}\nSelector:     value.team == web\n`,
  );
  expect((await auth("binding-rule", "list", "-method=other")).out).toBe("");
  const described = await auth("auth-method", "update", "-name=ci", "-description=Pipelines");
  expect(described.out).toContain("BEGIN PUBLIC KEY");
  expect((await auth("auth-method", "list")).out).toBe(
    "ci:\n   Type:         jwt\n   Description:  Pipelines\n   MaxTokenTTL:  1h0m0s\n",
  );

  const jwt = await new SignJWT({ team: "web" })
    .setProtectedHeader({ alg: "RS256" })
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(privateKey);
  const sink = join(dir.path, "token");
  const login = ["login", "-method=ci", `-bearer-token-file=${write("jwt", `${jwt}\n`)}`, `-token-sink-file=${sink}`];
  expect(await atoll("", ...login, "-meta=pod=a")).toEqual({ code: 0, out: "", err: "" });
  expect(statSync(sink).mode & 0o777).toBe(0o600);
  const secret = readFileSync(sink, "utf8");
  const put = await fetch(`http://${address}/v1/kv/a%2Fb`, {
    method: "PUT",
    body: "5ecre7",
    headers: { "x-consul-token": management },
  });
  expect(put.status).toBe(200);
  const denied = await fetch(`http://${address}/v1/kv/a`, {
    method: "PUT",
    body: "5ecre7",
    headers: { "x-consul-token": secret },
  });
  expect(denied.status).toBe(403);
  expect(await atoll("", "logout", `-token-file=${sink}`)).toEqual({ code: 0, out: "", err: "" });
  const again = await atoll("", "logout", `-token-file=${sink}`);
  expect([again.code, again.err]).toEqual([1, expect.stringContaining("ACL not found")]);

  const { text, payloads } = auditLines();
  for (const hidden of [secret, management, jwt, "5ecre7", "BEGIN PUBLIC"]) expect(text).not.toContain(hidden);
  const told = payloads
    .filter((payload) => payload["stage"] === "OperationComplete" && payload["type"] === "HTTPEvent")
    .map((payload) => JSON.stringify([payload["auth"], payload["resources"], payload["response"]]));
  expect(told.find((line) => line.includes('"created":{"type":"acl-token"'))).toContain(
    '"acl-auth-method","name":"ci"',
  );
  expect(told.find((line) => line.includes('"a/b"'))).toMatch(
    /"bytes":6,"sha256":"[0-9a-f]{16}"\}\],\{"status":"200","index":\d+\}/,
  );
  expect(told.find((line) => line.includes('"403"') && line.includes('"key"'))).toContain('"auth_method":"ci"');
});

const awsLogin = ["login", "-method=ci", "-token-sink-file=x", "-aws-auto-bearer-token", "-aws-region=eu-west-1"];

test.each<[string[], string]>([
  [["login"], "Missing required '-method' flag"],
  [["login", "-method=ci", "-token-sink-file=x"], "Missing required '-bearer-token-file' flag"],
  [["login", "-method=ci", "-bearer-token-file=/none", "-token-sink-file=x"], "cannot read /none"],
  [["login", "-method=ci", "-token-sink-file=x", "-aws-region=a"], "Missing '-aws-auto-bearer-token' flag"],
  [[...awsLogin, "-bearer-token-file=x"], "Cannot use '-bearer-token-file' flag with '-aws-auto-bearer-token'"],
  [[...awsLogin, "-aws-access-key-id=a"], "Missing '-aws-secret-access-key' flag"],
  [[...awsLogin, "-aws-secret-access-key=a"], "Missing '-aws-access-key-id' flag"],
  [[...awsLogin, "-aws-session-token=a"], "Missing '-aws-access-key-id' and '-aws-secret-access-key' flags"],
  [[...awsLogin, "-aws-sts-endpoint=sts"], '-aws-sts-endpoint must be an http or https URL, found "sts"'],
  [["acl", "auth-method", "create", "-name=x"], "Missing required '-type' flag"],
  [["acl", "auth-method", "create", "-name=x", "-type=jwt", "-config={"], "flag -config, line 1"],
  [["acl", "auth-method", "read", "-name=none"], "Requested auth method does not exist"],
  [["acl", "binding-rule", "create", "-method=ci", "-bind-type=service"], "Missing required '-bind-name' flag"],
  [["acl", "binding-rule", "create", "-method=ci", "-bind-vars=x"], "must be key=value"],
  [["acl", "binding-rule", "list", "-format=xml"], 'must be pretty or json, found "xml"'],
])("%j fails and says why", async (args, reason) => {
  const { code, err } = await atoll(management, ...args);
  expect([code, err]).toEqual([1, expect.stringContaining(reason)]);
});
