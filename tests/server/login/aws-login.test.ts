import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readAwsToken } from "../../../server/login/aws-token.ts";
import { type LoginWorld, startLoginWorld } from "./login-world.ts";
import { type OutsideRequest, type OutsideServer, type PlayedAnswer, startOutsideServer } from "./outside-server.ts";

/** STS and IAM, played: they know a role and a user, and believe the signature `good`. */
const base64 = (text: string): string => Buffer.from(text).toString("base64");

interface Signed {
  readonly method?: string;
  readonly url?: string;
  readonly body?: string;
  readonly headers?: Record<string, unknown>;
}

const authorization =
  "AWS4-HMAC-SHA256 Credential=AKIA/x, SignedHeaders=host;x-amz-date;x-consul-iam-serverid, Signature=good";

function tokenOf(signed: Signed = {}): string {
  return JSON.stringify({
    iam_http_request_method: signed.method ?? "POST",
    iam_request_url: base64(signed.url ?? "https://sts.us-east-1.amazonaws.com/"),
    iam_request_body: base64(signed.body ?? "Action=GetCallerIdentity&Version=2011-06-15"),
    iam_request_headers: base64(
      JSON.stringify({ Authorization: [authorization], "X-Amz-Date": ["20261130T000000Z"], ...signed.headers }),
    ),
  });
}

const entityHeaders = (action: "GetRole" | "GetUser", name: string): Record<string, unknown> => ({
  "X-Consul-IAM-GetEntity-Method": ["POST"],
  "X-Consul-IAM-GetEntity-URL": ["https://iam.amazonaws.com/"],
  "X-Consul-IAM-GetEntity-Body": [
    `Action=${action}&${action === "GetRole" ? "RoleName" : "UserName"}=${name}&Version=2010-05-08`,
  ],
  "X-Consul-IAM-GetEntity-Headers": [
    JSON.stringify({ Authorization: [authorization], "X-Amz-Date": ["20261130T000000Z"] }),
  ],
});

let world: LoginWorld;
/** In the clear: the configuration has no authority to name, and the machine does not know that of a test. */
let plain: OutsideServer;
let caller = "assumed-role/web-role/task";

function answer({ headers, body }: OutsideRequest): PlayedAnswer {
  if (!String(headers.authorization).endsWith("Signature=good")) {
    return {
      status: 403,
      type: "text/xml",
      body: "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>",
    };
  }
  const fields = new URLSearchParams(body);
  const xml = { status: 200, type: "text/xml" };
  if (fields.get("Action") === "GetCallerIdentity") {
    const arn = `arn:aws:${caller.startsWith("user") ? "iam" : "sts"}::123456789012:${caller}`;
    return {
      ...xml,
      body: `<?xml version="1.0"?><GetCallerIdentityResponse xmlns="https://sts"><GetCallerIdentityResult><Arn>${arn}</Arn><UserId>AROA1:task</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`,
    };
  }
  const name = fields.get("RoleName") ?? "";
  const id = name === "stranger" ? "AROA2" : "AROA1";
  return {
    ...xml,
    body: `<GetRoleResponse><GetRoleResult><Role><Path>/ecs/</Path><Arn>arn:aws:iam::123456789012:role/ecs/${name}</Arn><RoleId>${id}</RoleId><Tags><member><Key>team</Key><Value>a &amp; b</Value></member><member><Key>service-name</Key><Value>web</Value></member></Tags></Role></GetRoleResult></GetRoleResponse>`,
  };
}

beforeAll(async () => {
  world = await startLoginWorld();
  plain = await startOutsideServer(answer, { isPlain: true });
});

afterAll(async () => {
  await plain[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

const bound = { BoundIAMPrincipalARNs: ["arn:aws:iam::123456789012:role/web-role"] };

async function method(name: string, config: object) {
  const made = await world.call("PUT", "/v1/acl/auth-method", { Name: name, Type: "aws-iam", Config: config });
  expect([made.status, made.text]).toEqual([200, made.text]);
  const rule = {
    AuthMethod: name,
    BindType: "service",
    BindName: `$\{entity_name}`,
    Selector: "account_id == 123456789012",
  };
  expect((await world.call("PUT", "/v1/acl/binding-rule", rule)).status).toBe(200);
}

describe("what is signed", () => {
  const rules = { wantsEntity: false, serverId: "", mustBeStsHost: true, mustBeIamHost: true, allowedHeaders: [] };

  test("is read, without what is of a connection", () => {
    const headers = { Host: ["evil"], "Content-Length": ["1"], "User-Agent": ["aws"] };
    const { callerIdentity } = readAwsToken(tokenOf({ headers }), rules);
    expect(callerIdentity.url.href).toBe("https://sts.us-east-1.amazonaws.com/");
    expect(Object.keys(callerIdentity.headers).toSorted()).toEqual(["authorization", "user-agent", "x-amz-date"]);
  });

  test("keeps the headers of the second request in the first, whose signature they are part of", () => {
    const headers = entityHeaders("GetRole", "web-role");
    const { callerIdentity } = readAwsToken(tokenOf({ headers }), { ...rules, wantsEntity: true });
    expect(Object.keys(callerIdentity.headers)).toEqual(
      expect.arrayContaining(Object.keys(headers).map((name) => name.toLowerCase())),
    );
  });

  test.each<[string, Signed]>([
    ["another host", { url: "https://evil.example/" }],
    ["a host that begins like one of AWS", { url: "https://sts.amazonaws.com.evil.example/" }],
    ["a host that ends like one of AWS", { url: "https://sts.evil.amazonaws.com.amazonaws.com.evil/" }],
    ["a bucket with the name of the service", { url: "https://sts.x.s3.amazonaws.com/" }],
    ["another service of AWS", { url: "https://s3.amazonaws.com/" }],
    ["a port", { url: "https://sts.amazonaws.com:8443/" }],
    ["no TLS", { url: "http://sts.amazonaws.com/" }],
    ["a user in the URL", { url: "https://sts.amazonaws.com@evil.example/" }],
    ["an action in the query", { url: "https://sts.amazonaws.com/?Action=AssumeRole" }],
    ["a path", { url: "https://sts.amazonaws.com/x" }],
    ["no URL", { url: "sts" }],
    ["another method", { method: "GET" }],
    ["another action", { body: "Action=AssumeRole&Version=1" }],
    ["two actions", { body: "Action=GetCallerIdentity&Action=AssumeRole" }],
    ["a further field", { body: "Action=GetCallerIdentity&RoleArn=x" }],
    ["a header that AWS acts on", { headers: { "X-Amz-Target": ["x"] } }],
    ["a header of two lines", { headers: { "X-A": ["a\r\nX-B: c"] } }],
    ["a header that is there twice", { headers: { "x-a": ["1"], "X-A": ["2"] } }],
    ["a header with two values", { headers: { "X-A": ["1", "2"] } }],
  ])("is refused with %s", (_what, signed) => {
    expect(() => readAwsToken(tokenOf(signed), rules)).toThrow("Permission denied");
  });

  test.each(["", "{", "[]", "null", "{}", '{"iam_http_request_method":"POST"}', `"${"x".repeat(40_000)}"`])(
    "is no token: %p",
    (text) => {
      expect(() => readAwsToken(text, rules)).toThrow("Permission denied");
    },
  );

  test("has to be meant for this server, where the method says which it is", () => {
    const withId = { ...rules, serverId: "atoll" };
    const id = { "X-Consul-IAM-ServerID": ["atoll"] };
    expect(() => readAwsToken(tokenOf({ headers: id }), withId)).not.toThrow();
    expect(() => readAwsToken(tokenOf(), withId)).toThrow("missing or another");
    expect(() => readAwsToken(tokenOf({ headers: { "X-Consul-IAM-ServerID": ["b"] } }), withId)).toThrow(
      "missing or another",
    );
    const unsigned = { ...id, Authorization: [authorization.replace(";x-consul-iam-serverid", "")] };
    expect(() => readAwsToken(tokenOf({ headers: unsigned }), withId)).toThrow("was not signed");
  });
});

describe("a method with an endpoint of its own", () => {
  beforeAll(async () => {
    const { url } = plain;
    await method("role", { ...bound, STSEndpoint: url });
    await method("entity", {
      BoundIAMPrincipalARNs: ["arn:aws:iam::123456789012:role/ecs/*"],
      EnableIAMEntityDetails: true,
      IAMEntityTags: ["team", "service-name"],
      STSEndpoint: url,
      IAMEndpoint: url,
    });
    const rule = {
      AuthMethod: "entity",
      BindType: "node",
      BindName: `$\{entity_tags.service-name}`,
      Selector: 'entity_path == "/ecs/"',
    };
    expect((await world.call("PUT", "/v1/acl/binding-rule", rule)).status).toBe(200);
  });

  test("logs the role of a task in, asked with the host that was signed", async () => {
    caller = "assumed-role/web-role/task";
    const { status, json } = await world.login("role", tokenOf());
    expect([status, json["ServiceIdentities"]]).toEqual([200, [{ ServiceName: "web-role" }]]);
    expect(plain.requests.at(-1)?.headers.host).toBe("sts.us-east-1.amazonaws.com");
  });

  test("refuses who is not bound, and whom AWS refuses", async () => {
    caller = "user/web-role";
    const other = await world.login("role", tokenOf());
    expect([other.status, other.text]).toEqual([
      403,
      expect.stringContaining("arn:aws:iam::123456789012:user/web-role is not trusted"),
    ]);
    caller = "assumed-role/web-role/task";
    const headers = { Authorization: [authorization.replace("good", "bad")] };
    const forged = await world.login("role", tokenOf({ headers }));
    expect([forged.status, forged.text]).toEqual([
      403,
      expect.stringContaining("AWS answered 403 (SignatureDoesNotMatch)"),
    ]);
    expect(forged.text).not.toContain("AKIA");
  });

  test("binds by the path and the tags of the entity, which has to be the caller's own", async () => {
    const known = await world.login("entity", tokenOf({ headers: entityHeaders("GetRole", "web-role") }));
    expect([known.status, known.json["NodeIdentities"]]).toEqual([200, [{ NodeName: "web", Datacenter: "dc1" }]]);
    const stranger = await world.login("entity", tokenOf({ headers: entityHeaders("GetRole", "stranger") }));
    expect(stranger.text).toContain("unique id mismatch");
    const missing = await world.login("entity", tokenOf());
    expect(missing.text).toContain("missing header");
  });
});

test.each<[object, string]>([
  [{}, "BoundIAMPrincipalARNs is required"],
  [{ BoundIAMPrincipalARNs: ["arn:aws:iam::1:role/*"] }, "Must set EnableIAMEntityDetails=true to use wildcards"],
  [{ BoundIAMPrincipalARNs: ["arn:aws:iam::*:role/*"], EnableIAMEntityDetails: true }, "Only one wildcard is allowed"],
  [{ BoundIAMPrincipalARNs: ["arn:aws:s3::1:x"] }, "Invalid principal ARN"],
  [{ ...bound, IAMEntityTags: ["a"] }, "Must set EnableIAMEntityDetails=true"],
  [{ ...bound, STSEndpoint: "sts" }, "Config.STSEndpoint is no http or https URL"],
])("a configuration is refused: %j", async (config, reason) => {
  const { status, text } = await world.call("PUT", "/v1/acl/auth-method", {
    Name: "bad",
    Type: "aws-iam",
    Config: config,
  });
  expect([status, text]).toEqual([400, expect.stringContaining(reason)]);
});
