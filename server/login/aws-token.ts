import { notVerified } from "./method-type.ts";

/**
 * What a caller of AWS logs in with: a request to `sts:GetCallerIdentity` that it has signed and that we send for it, as
 * JSON with base64 in it; in its headers may be a second one, to `iam:GetRole` or `iam:GetUser`. Whatever is not signed
 * exactly for that purpose is refused: it would make a proxy of us, or be somebody else's request for another purpose.
 */
export interface SignedRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface AwsToken {
  readonly callerIdentity: SignedRequest;
  /** With the details of the entity, where the method asks for them. */
  readonly entity?: SignedRequest & { readonly action: "GetRole" | "GetUser" };
}

export interface AwsTokenRules {
  readonly wantsEntity: boolean;
  /** Empty: none is asked for. */
  readonly serverId: string;
  /** Whether the hosts of the requests are AWS's own, since they are not sent elsewhere. */
  readonly mustBeStsHost: boolean;
  readonly mustBeIamHost: boolean;
  /** Further `X-Amz-` headers, in lower case. */
  readonly allowedHeaders: readonly string[];
}

const serverIdHeader = "x-consul-iam-serverid";
const entityPrefix = "x-consul-iam-getentity-";
const stsHost = /^sts(?:-fips)?(?:\.[a-z0-9-]{1,32})?\.amazonaws\.com$/;
const iamHost = /^iam(?:-fips)?(?:\.[a-z0-9-]{1,32})?\.amazonaws\.com$/;
const amzHeaders = [
  "x-amz-algorithm",
  "x-amz-content-sha256",
  "x-amz-credential",
  "x-amz-date",
  "x-amz-security-token",
  "x-amz-signature",
  "x-amz-signedheaders",
];
/** What is ours to say on the connection that we make. */
const connectionHeaders =
  /^(?:connection|content-length|expect|host|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|accept-encoding)$/;
const maxTokenCharacters = 32_768;
const maxHeaders = 64;

/** Throws `PERMISSION_DENIED`; the message holds nothing of what was signed. */
export function readAwsToken(text: string, rules: AwsTokenRules): AwsToken {
  if (text.length > maxTokenCharacters) throw notVerified("invalid token: it is too long");
  const token = recordOf(parse(text));
  if (token["iam_http_request_method"] !== "POST") throw notVerified("iam_http_request_method must be POST");
  const headers = readHeaders(base64(token, "iam_request_headers"));
  const callerIdentity = readRequest(
    { url: base64(token, "iam_request_url"), body: base64(token, "iam_request_body"), headers },
    { host: rules.mustBeStsHost ? stsHost : undefined, what: "STS" },
  );
  mustBeFields(callerIdentity.body, { Action: ["GetCallerIdentity"], Version: [] }, "iam_request_body");
  checkAmzHeaders(headers, rules.allowedHeaders);
  if (rules.serverId !== "") mustBeSignedFor(headers, rules.serverId);
  if (!rules.wantsEntity) return { callerIdentity };
  const entity = readEntity(headers, rules);
  if (rules.serverId !== "") mustBeSignedFor(new Map(Object.entries(entity.headers)), rules.serverId);
  return { callerIdentity, entity };
}

function readEntity(headers: ReadonlyMap<string, string>, rules: AwsTokenRules): NonNullable<AwsToken["entity"]> {
  const part = (name: string): string => {
    const value = headers.get(`${entityPrefix}${name}`);
    if (value === undefined) throw notVerified(`missing header "X-Consul-IAM-GetEntity-${name}"`);
    return value;
  };
  if (part("method") !== "POST") throw notVerified("the method of the IAM request must be POST");
  const own = readHeaders(part("headers"));
  checkAmzHeaders(own, rules.allowedHeaders);
  const request = readRequest(
    { url: part("url"), body: part("body"), headers: own },
    { host: rules.mustBeIamHost ? iamHost : undefined, what: "IAM" },
  );
  const fields = new URLSearchParams(request.body);
  const action = fields.get("Action") === "GetRole" ? "GetRole" : "GetUser";
  const allowed = { Action: [action], Version: [], [action === "GetRole" ? "RoleName" : "UserName"]: [] };
  mustBeFields(request.body, allowed, "X-Consul-IAM-GetEntity-Body");
  if (!fields.has(action === "GetRole" ? "RoleName" : "UserName")) {
    throw notVerified("X-Consul-IAM-GetEntity-Body error: it names no role and no user");
  }
  return { ...request, action };
}

/** Only the plain address of the service: what is in a query could say another action than the body that was looked at. */
function readRequest(
  request: { readonly url: string; readonly body: string; readonly headers: ReadonlyMap<string, string> },
  place: { readonly host: RegExp | undefined; readonly what: string },
): SignedRequest {
  let url: URL;
  try {
    url = new URL(request.url);
  } catch {
    throw notVerified(`invalid ${place.what} URL`);
  }
  const isPlain =
    url.username === "" && url.password === "" && url.search === "" && url.hash === "" && url.pathname === "/";
  if (!isPlain) throw notVerified(`invalid ${place.what} URL: it must be the address of the service and nothing else`);
  const isAws = url.protocol === "https:" && url.port === "" && place.host?.test(url.hostname) === true;
  if (place.host !== undefined && !isAws)
    throw notVerified(`invalid ${place.what} hostname: "${url.hostname.slice(0, 80)}"`);
  // Those with the request to IAM too: they are part of what was signed for STS.
  const sent = [...request.headers].filter(([name]) => !connectionHeaders.test(name));
  return { url, body: request.body, headers: Object.fromEntries(sent) };
}

function mustBeFields(body: string, allowed: Readonly<Record<string, readonly string[]>>, where: string): void {
  const fields = new URLSearchParams(body);
  if ((fields.get("Action") ?? "") === "") throw notVerified(`${where} error: missing field "Action"`);
  for (const name of new Set(fields.keys())) {
    const values = Object.hasOwn(allowed, name) ? allowed[name] : undefined;
    const [value = "", ...more] = fields.getAll(name);
    if (values === undefined) throw notVerified(`${where} error: unexpected field "${name.slice(0, 80)}"`);
    if (more.length > 0 || (values.length > 0 && !values.includes(value))) {
      throw notVerified(`${where} error: unexpected value of "${name}"`);
    }
  }
}

function checkAmzHeaders(headers: ReadonlyMap<string, string>, allowed: readonly string[]): void {
  for (const name of headers.keys()) {
    if (!name.startsWith("x-amz-") || amzHeaders.includes(name) || allowed.includes(name)) continue;
    throw notVerified(`invalid request header: ${name.slice(0, 80)}`);
  }
}

/** A request that was signed for another server may have been caught there. */
function mustBeSignedFor(headers: ReadonlyMap<string, string>, serverId: string): void {
  if (headers.get(serverIdHeader) !== serverId) {
    throw notVerified("the header X-Consul-IAM-ServerID is missing or another than the method asks for");
  }
  const signed = /SignedHeaders=([^,\s]+)/.exec(headers.get("authorization") ?? "")?.[1] ?? "";
  if (!signed.split(";").includes(serverIdHeader)) throw notVerified("the header X-Consul-IAM-ServerID was not signed");
}

/** Go's headers: a list of values per name; single texts are what other clients write. */
function readHeaders(text: string): ReadonlyMap<string, string> {
  const entries = Object.entries(recordOf(parse(text)));
  if (entries.length > maxHeaders) throw notVerified(`invalid token: it has more than ${maxHeaders} headers`);
  const headers = new Map<string, string>();
  for (const [name, given] of entries) {
    const values: readonly unknown[] = Array.isArray(given) ? given : [given];
    const [value] = values;
    const isHeader = /^[A-Za-z0-9-]{1,128}$/.test(name) && values.length === 1 && typeof value === "string";
    if (!isHeader || typeof value !== "string" || !/^[\t\x20-\x7e]*$/.test(value) || headers.has(name.toLowerCase())) {
      throw notVerified("invalid token: a header is no single line, or is there twice");
    }
    headers.set(name.toLowerCase(), value);
  }
  return headers;
}

function base64(token: Readonly<Record<string, unknown>>, field: string): string {
  const value = token[field];
  if (typeof value !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
    throw notVerified(`invalid token: ${field} is no base64`);
  }
  return Buffer.from(value, "base64").toString("utf8");
}

function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    throw notVerified("invalid token: it is no JSON");
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw notVerified("invalid token: it is no JSON object");
}
