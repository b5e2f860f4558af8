import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { commands } from "../../cli/commands.ts";
import { dispatch } from "../../cli/dispatch.ts";
import { listenHttp } from "../../lib/http/listen.ts";
import { createFakeIo } from "../cli/fake-io.ts";
import { eventually } from "../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";
import { type LoginWorld, startLoginWorld } from "../server/login/login-world.ts";
import { findProgram, type Program, runProgram } from "./programs.ts";

/**
 * Logins by AWS IAM where botocore signs, and moto is STS and IAM: it verifies signatures and permissions and answers in XML of
 * its own making.
 */
const region = "eu-west-1";
const account = "123456789012";
const serverId = "mesh.example";
const python = await pythonWithMoto();

interface Credentials {
  readonly id: string;
  readonly secret: string;
  /** Empty for none. */
  readonly token: string;
}

interface Aws {
  readonly url: string;
  readonly user: Credentials;
  readonly role: Credentials;
  readonly tokens: Readonly<Record<string, string>>;
}

async function pythonWithMoto(): Promise<Program> {
  const program = findProgram("python3");
  if (program.isMissing) return program;
  const code = 'import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ["moto", "flask", "flask_cors"])))';
  return (await runProgram([program.path, "-c", code])).code === 0
    ? program
    : { ...program, isMissing: true, note: " (skipped: no moto; pip install moto flask flask-cors)" };
}

describe.skipIf(python.isMissing)(`AWS IAM${python.note}`, () => {
  let moto: Bun.Subprocess<"ignore", "ignore", "pipe"> | undefined;
  let world: LoginWorld;
  let aws: Aws;
  let dir: TempDir;
  let address: string;

  async function startAws(): Promise<Aws> {
    moto = Bun.spawn([python.path, "-m", "moto.server", "-p", "0"], {
      env: { ...process.env, PYTHONUNBUFFERED: "1" },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    let said = "";
    const read = async (from: ReadableStream<Uint8Array>): Promise<void> => {
      for await (const chunk of from) said += Buffer.from(chunk).toString();
    };
    void read(moto.stderr);
    const url = await eventually(
      "moto's address",
      () => /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(said)?.[1],
      30_000,
    );
    const { stdout, stderr } = await runProgram([python.path, join(import.meta.dirname, "aws-world.py"), url, region]);
    if (stdout === "") throw new Error(`${stderr}\n${said}`);
    return { url, ...JSON.parse(stdout) };
  }

  async function method(name: string, config: object, bindName: string): Promise<void> {
    const Config = { ServerIDHeaderValue: serverId, STSEndpoint: aws.url, IAMEndpoint: aws.url, ...config };
    const made = await world.call("PUT", "/v1/acl/auth-method", { Name: name, Type: "aws-iam", Config });
    expect(made.text).toContain(name);
    const rule = { AuthMethod: name, BindType: "service", BindName: bindName };
    expect((await world.call("PUT", "/v1/acl/binding-rule", rule)).status).toBe(200);
  }

  /** The service that is granted, or why none. */
  async function login(name: string, token: string | undefined): Promise<unknown> {
    const { status, json, text } = await world.login(name, token ?? "");
    return status === 200 ? json["ServiceIdentities"] : text;
  }

  /** `atoll login` with credentials of the flags. */
  async function commandLogin(name: string, who: Credentials, flags: readonly string[] = []) {
    const io = createFakeIo();
    const given = [`-aws-access-key-id=${who.id}`, `-aws-secret-access-key=${who.secret}`, `-aws-region=${region}`];
    const session = who.token === "" ? [] : [`-aws-session-token=${who.token}`];
    const common = [`-method=${name}`, `-token-sink-file=${join(dir.path, "token")}`, `-aws-sts-endpoint=${aws.url}`];
    const args = ["-aws-auto-bearer-token", `-aws-server-id-header-value=${serverId}`, ...given, ...session, ...flags];
    const code = await dispatch(["login", ...common, ...args, `-http-addr=${address}`], commands, io);
    return { code, err: io.err() };
  }

  beforeAll(async () => {
    dir = createTempDir();
    [world, aws] = await Promise.all([startLoginWorld(), startAws()]);
    const arn = (rest: string): string => `arn:aws:iam::${account}:${rest}`;
    await method("plain", { BoundIAMPrincipalARNs: [arn("user/ops/ann"), arn("role/web-role")] }, `$\{entity_name}`);
    const details = { EnableIAMEntityDetails: true, IAMEntityTags: ["service-name", "team"] };
    await method("roles", { BoundIAMPrincipalARNs: [arn("role/ecs/*")], ...details }, `$\{entity_tags.service-name}`);
    await method("users", { BoundIAMPrincipalARNs: [arn("user/ops/*")], ...details }, `$\{entity_name}`);
    address = `127.0.0.1:${(await listenHttp(world.app, { host: "127.0.0.1", port: 0 })).port}`;
  }, 60_000);

  afterAll(async () => {
    dir?.[Symbol.dispose]();
    moto?.kill("SIGKILL");
    await world?.[Symbol.asyncDispose]();
  });

  test.each([
    ["plain", "user", "ann"],
    ["plain", "userAtEndpoint", "ann"],
    ["plain", "role", "web-role"],
    ["roles", "roleWithEntity", "web"],
    ["users", "userWithEntity", "ann"],
  ])("believes %s what botocore signed: %s", async (name, token, service) => {
    expect(await login(name, aws.tokens[token])).toEqual([{ ServiceName: service }]);
  });

  test.each([
    ["plain", "wrongSecret", "AWS answered 403 (SignatureDoesNotMatch)"],
    ["plain", "unknownKey", "AWS answered 403 (InvalidClientTokenId)"],
    ["plain", "laterDate", "AWS answered 403 (SignatureDoesNotMatch)"],
    ["plain", "withoutSession", "AWS answered 403 (InvalidClientTokenId)"],
    ["roles", "wrongSecretWithEntity", "AWS answered 403 (SignatureDoesNotMatch)"],
    ["roles", "anotherEntityInside", "AWS answered 403 (SignatureDoesNotMatch)"],
    ["roles", "userWithTheRole", "unique id mismatch in login token"],
    ["users", "roleWithEntity", `IAM principal arn:aws:iam::${account}:role/ecs/web-role is not trusted`],
  ])("does not let %s in by %s", async (name, token, reason) => {
    expect(await login(name, aws.tokens[token])).toBe(`Permission denied: ${reason}`);
  });

  test.each<[string, "user" | "role", string[], string]>([
    ["plain", "user", [], "ann"],
    ["plain", "role", [], "web-role"],
    ["roles", "role", ["-aws-include-entity"], "web"],
    ["users", "user", ["-aws-include-entity"], "ann"],
  ])("believes %s what our command signs for a %s", async (name, who, flags, service) => {
    const { code, err } = await commandLogin(name, aws[who], flags);
    expect([code, err]).toEqual([0, ""]);
    const self = await world.call(
      "GET",
      "/v1/acl/token/self",
      undefined,
      readFileSync(join(dir.path, "token"), "utf8"),
    );
    expect(self.json["ServiceIdentities"]).toEqual([{ ServiceName: service }]);
  });

  test("does not believe our command with a wrong secret, and the command says who did not", async () => {
    const wrong = { ...aws.user, secret: "x".repeat(40) };
    expect((await commandLogin("plain", wrong)).err).toContain(
      "Permission denied: AWS answered 403 (SignatureDoesNotMatch)",
    );
    expect((await commandLogin("users", wrong, ["-aws-include-entity"])).err).toContain(
      "answered 403 (SignatureDoesNotMatch) when it was asked who this is",
    );
    const other = await commandLogin("plain", aws.user, ["-aws-server-id-header-value=other.example"]);
    expect(other.err).toContain("X-Consul-IAM-ServerID is missing or another");
  });

  test("binds by what IAM says of tags, with its escapes undone", async () => {
    const wanted = 'entity_path == "/ops/" and entity_tags.team == "a & b <c>"';
    const rule = { AuthMethod: "users", BindType: "service", BindName: "by-tag", Selector: wanted };
    expect((await world.call("PUT", "/v1/acl/binding-rule", rule)).status).toBe(200);
    expect(await login("users", aws.tokens["userWithEntity"])).toContainEqual({ ServiceName: "by-tag" });
  });
});
