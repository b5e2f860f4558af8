import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { Type } from "typebox";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { type OutsideCall, readUrl } from "../../../server/login/outside-call.ts";
import type { Env } from "../../http-target.ts";
import { mustBe } from "../client-command.ts";
import type { AwsCredentials } from "./aws-signature.ts";

/**
 * Where programs of AWS look for credentials and a region: the environment, the files of the `aws` command, then who gives a task of
 * ECS its role, and who gives one to an instance of EC2.
 */
export async function findAwsCredentials(env: Env, call: OutsideCall): Promise<AwsCredentials> {
  const found =
    fromEnvironment(env) ?? (await fromFile(env)) ?? (await fromTask(env, call)) ?? (await fromInstance(env, call));
  if (found !== undefined) return found;
  throw new AtollError("INVALID_ARGUMENT", "AWS credentials not found; give -aws-access-key-id and its secret");
}

export async function findAwsRegion(env: Env): Promise<string> {
  const region = env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"] ?? (await readProfile(configFile(env)))["region"];
  if (region !== undefined && region !== "") return region;
  throw new AtollError("INVALID_ARGUMENT", "AWS region not found; give -aws-region");
}

/** Addresses of the link, where AWS speaks no TLS. */
const taskEndpoint = "http://169.254.170.2";
const instanceEndpoint = "http://169.254.169.254";
const roleFolder = "/latest/meta-data/iam/security-credentials/";

const Issued = Type.Object({ AccessKeyId: Type.String(), SecretAccessKey: Type.String(), Token: Type.String() });

function fromEnvironment(env: Env): AwsCredentials | undefined {
  return credentialsOf(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"]);
}

async function fromFile(env: Env): Promise<AwsCredentials | undefined> {
  const path = env["AWS_SHARED_CREDENTIALS_FILE"] ?? homeFile(env, "credentials");
  for (const place of [{ path, section: profileOf(env) }, configFile(env)]) {
    const values = await readProfile(place);
    const session = values["aws_session_token"];
    const found = credentialsOf(values["aws_access_key_id"], values["aws_secret_access_key"], session);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function fromTask(env: Env, call: OutsideCall): Promise<AwsCredentials | undefined> {
  const path = env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"];
  const uri = path === undefined ? env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] : `${taskEndpoint}${path}`;
  if (uri === undefined) return undefined;
  const file = env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
  const token = file === undefined ? env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] : await readText(file);
  return await issued(call, uri, token === undefined ? {} : { authorization: token.trim() });
}

async function fromInstance(env: Env, call: OutsideCall): Promise<AwsCredentials | undefined> {
  if (env["AWS_EC2_METADATA_DISABLED"]?.toLowerCase() === "true") return undefined;
  const base = (env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? instanceEndpoint).replace(/\/$/, "");
  // Elsewhere than on an instance nobody is there.
  const session = await call({
    method: "PUT",
    url: mustBeUrl(`${base}/latest/api/token`),
    headers: { "x-aws-ec2-metadata-token-ttl-seconds": "60" },
  }).catch(() => undefined);
  if (session?.status !== 200) return undefined;
  const headers = { "x-aws-ec2-metadata-token": session.body };
  const roles = await call({ method: "GET", url: mustBeUrl(`${base}${roleFolder}`), headers });
  const [role = ""] = roles.status === 200 ? roles.body.split("\n") : [];
  return role === "" ? undefined : await issued(call, `${base}${roleFolder}${role.trim()}`, headers);
}

async function issued(
  call: OutsideCall,
  uri: string,
  headers: Readonly<Record<string, string>>,
): Promise<AwsCredentials> {
  const url = mustBeUrl(uri);
  const { status, body } = await call({ method: "GET", url, headers });
  if (status !== 200) throw new AtollError("UNAVAILABLE", `${url.host} answered ${status} instead of credentials`);
  const { AccessKeyId, SecretAccessKey, Token } = mustBe(Issued, parse(body), "credentials");
  return { id: AccessKeyId, secret: SecretAccessKey, session: Token };
}

function mustBeUrl(text: string): URL {
  const url = readUrl(text);
  if (url !== undefined) return url;
  throw new AtollError("INVALID_ARGUMENT", `the environment's address of AWS credentials is no URL: "${text}"`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function credentialsOf(id = "", secret = "", session = ""): AwsCredentials | undefined {
  return id === "" || secret === "" ? undefined : { id, secret, session };
}

interface ProfilePlace {
  readonly path: string;
  readonly section: string;
}

function configFile(env: Env): ProfilePlace {
  const profile = profileOf(env);
  const section = profile === "default" ? profile : `profile ${profile}`;
  return { path: env["AWS_CONFIG_FILE"] ?? homeFile(env, "config"), section };
}

function profileOf(env: Env): string {
  return env["AWS_PROFILE"] ?? "default";
}

function homeFile(env: Env, name: string): string {
  return join(env["HOME"] ?? homedir(), ".aws", name);
}

/** The values of one section; none of what is not there. */
async function readProfile({ path, section }: ProfilePlace): Promise<Readonly<Record<string, string>>> {
  const values: Record<string, string> = {};
  let current = "";
  for (const line of ((await readText(path)) ?? "").split("\n")) {
    const header = /^\s*\[\s*([^\]]*?)\s*\]/.exec(line)?.[1];
    const [, name, value] = /^\s*([A-Za-z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (header !== undefined) current = header;
    else if (current === section && name !== undefined && value !== undefined) values[name] = value;
  }
  return values;
}

async function readText(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").catch(() => undefined);
}
