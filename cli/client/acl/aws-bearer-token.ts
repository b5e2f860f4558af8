import { systemClock } from "../../../lib/base/clock.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { readArn, readCallerIdentity } from "../../../server/login/aws-answers.ts";
import { createOutsideCall, type OutsideCall, readUrl } from "../../../server/login/outside-call.ts";
import type { FlagValues } from "../../flags.ts";
import type { Env } from "../../http-target.ts";
import { findAwsCredentials, findAwsRegion } from "./aws-credentials.ts";
import { type AwsCredentials, signAwsCall } from "./aws-signature.ts";

/** What `login` makes a bearer token for an auth method of the type `aws-iam` from. */
export const awsFlags = {
  "aws-auto-bearer-token": {
    type: "boolean",
    summary:
      "Sign a bearer token for AWS IAM, with the credentials of the flags, of the environment, of the files of the aws command, of the ECS task or of the EC2 instance.",
  },
  "aws-include-entity": { type: "boolean", summary: "Sign a request for details of the role or user into it." },
  "aws-sts-endpoint": { type: "string", placeholder: "url", summary: "Where STS is asked; by default the region's." },
  "aws-region": { type: "string", placeholder: "region", summary: "By default that of the environment." },
  "aws-server-id-header-value": {
    type: "string",
    placeholder: "text",
    summary: "The ServerIDHeaderValue of the auth method, so that the token is of use for it alone.",
  },
  "aws-access-key-id": { type: "string", placeholder: "id", summary: "Needs -aws-secret-access-key." },
  "aws-secret-access-key": { type: "string", placeholder: "secret", summary: "Needs -aws-access-key-id." },
  "aws-session-token": { type: "string", placeholder: "token", summary: "Of temporary credentials." },
} as const;

export type AwsFlagValues = FlagValues<typeof awsFlags>;

/** The token, where one is asked for. Throws `INVALID_ARGUMENT` for flags that say nothing together. */
export async function maybeAwsBearerToken(flags: AwsFlagValues, env: Env): Promise<string | undefined> {
  if (flags["aws-auto-bearer-token"] !== true) {
    const isAws = ([name, value]: readonly [string, unknown]): boolean =>
      Object.hasOwn(awsFlags, name) && value !== undefined;
    if (Object.entries(flags).some(isAws)) {
      throw new AtollError("INVALID_ARGUMENT", "Missing '-aws-auto-bearer-token' flag");
    }
    return undefined;
  }
  const call = createOutsideCall(systemClock);
  const region = flags["aws-region"] ?? (await findAwsRegion(env));
  const stsUrl = mustBeUrl(flags["aws-sts-endpoint"] ?? `https://sts.${region}.amazonaws.com/`);
  return await makeBearerToken({
    credentials: givenCredentials(flags) ?? (await findAwsCredentials(env, call)),
    region,
    stsUrl,
    serverId: flags["aws-server-id-header-value"],
    includesEntity: flags["aws-include-entity"] === true,
    call,
  });
}

interface TokenOptions {
  readonly credentials: AwsCredentials;
  readonly region: string;
  readonly stsUrl: URL;
  readonly serverId: string | undefined;
  readonly includesEntity: boolean;
  readonly call: OutsideCall;
}

const identityBody = "Action=GetCallerIdentity&Version=2011-06-15";
const iamUrl = "https://iam.amazonaws.com/";
/** Of IAM, which is one for all regions. */
const iamRegion = "us-east-1";

async function makeBearerToken(options: TokenOptions): Promise<string> {
  const { stsUrl: url, serverId } = options;
  const forServer = serverId === undefined ? {} : { "X-Consul-Iam-Serverid": serverId };
  const entity = options.includesEntity ? await signEntityCall(options, forServer) : {};
  const headers = signIdentityCall(options, { ...forServer, ...entity });
  return JSON.stringify({
    iam_http_request_method: "POST",
    iam_request_url: base64(url.href),
    iam_request_body: base64(identityBody),
    iam_request_headers: base64(JSON.stringify(listed(headers))),
  });
}

function signIdentityCall(options: TokenOptions, headers: Readonly<Record<string, string>>): Record<string, string> {
  const { credentials, region, stsUrl: url } = options;
  const call = { service: "sts", region, url, body: identityBody, headers } as const;
  return signAwsCall(call, credentials, systemClock.nowMs());
}

/** The request to IAM as headers of that to STS. STS is asked who that is, since credentials do not say. */
async function signEntityCall(
  options: TokenOptions,
  headers: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const { call, credentials, stsUrl: url } = options;
  const own = signIdentityCall(options, {});
  const { status, body: xml } = await call({ method: "POST", url, headers: own, body: identityBody });
  if (status !== 200) {
    const code = /<Code>([A-Za-z0-9.]{1,80})<\/Code>/.exec(xml)?.[1] ?? "no code";
    throw new AtollError("PERMISSION_DENIED", `${url.host} answered ${status} (${code}) when it was asked who this is`);
  }
  const { canonical, friendlyName } = readArn(readCallerIdentity(xml).arn);
  const action = canonical.includes(":role/")
    ? { Action: "GetRole", RoleName: friendlyName }
    : { Action: "GetUser", UserName: friendlyName };
  const body = new URLSearchParams({ ...action, Version: "2010-05-08" }).toString();
  const entityCall = { service: "iam", region: iamRegion, url: new URL(iamUrl), body, headers } as const;
  return {
    "X-Consul-Iam-Getentity-Method": "POST",
    "X-Consul-Iam-Getentity-Url": iamUrl,
    "X-Consul-Iam-Getentity-Body": body,
    "X-Consul-Iam-Getentity-Headers": JSON.stringify(listed(signAwsCall(entityCall, credentials, systemClock.nowMs()))),
  };
}

function givenCredentials(flags: AwsFlagValues): AwsCredentials | undefined {
  const { "aws-access-key-id": id, "aws-secret-access-key": secret, "aws-session-token": session } = flags;
  if (id !== undefined && secret !== undefined) return { id, secret, session: session ?? "" };
  if (id === undefined && secret === undefined && session === undefined) return undefined;
  const missing = [
    ...(id === undefined ? ["'-aws-access-key-id'"] : []),
    ...(secret === undefined ? ["'-aws-secret-access-key'"] : []),
  ];
  throw new AtollError("INVALID_ARGUMENT", `Missing ${missing.join(" and ")} flag${missing.length > 1 ? "s" : ""}`);
}

function mustBeUrl(text: string): URL {
  const url = readUrl(text);
  if (url !== undefined) return url;
  throw new AtollError("INVALID_ARGUMENT", `-aws-sts-endpoint must be an http or https URL, found "${text}"`);
}

/** As Go writes headers. */
function listed(headers: Readonly<Record<string, string>>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]));
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
