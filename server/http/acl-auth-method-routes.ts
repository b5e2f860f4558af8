import { type Static, Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { formatDurationMs, parseDurationMs } from "../../lib/base/duration.ts";
import { type AclAuthMethodFields, type AclAuthMethodRecord, authMethodTypes } from "../../lib/contract/acl-login.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { invalid } from "./acl-bodies.ts";
import type { AclLoginContext } from "./acl-login-routes.ts";
import { proposeOrThrow } from "./propose.ts";

const NamePath = Type.Object({ name: Type.String() });
const Text = Type.Optional(Type.String());
const MethodBody = Type.Object({
  Name: Text,
  Type: Text,
  DisplayName: Text,
  Description: Text,
  MaxTokenTTL: Type.Optional(Type.Unknown()),
  TokenLocality: Text,
  TokenNameFormat: Text,
  Config: Type.Optional(Type.Unknown()),
});
type Body = Static<typeof MethodBody>;

/** Consul's defaults of `token_min_expiration_ttl` and `token_max_expiration_ttl`. */
const minTtlMs = 60_000;
const maxTtlMs = 24 * 3_600_000;
const maxConfigChars = 64 * 1024;
const maxTextChars = 4_096;

/**
 * `/v1/acl/auth-method(s)`: whose word counts for a login. The configuration, which may hold a secret, is shown to who may
 * read access control and asks for the one method, as Consul does; in lists it is left out.
 */
export function registerAclAuthMethodRoutes(app: HttpApp, context: AclLoginContext): void {
  const { server, reads, authorize, logins } = context;
  const methodOf = (name: string) => server.reader.aclLoginRecords().authMethods.get(name);

  app.get("/v1/acl/auth-methods", (request, reply) =>
    reads.answer(request, reply, {
      requires: (authorizer) => demand(authorizer, "acl", "read"),
      query: (reader) => reader.aclAuthMethods(),
      body: (methods) => methods.map(stubAnswer),
    }),
  );

  app.get("/v1/acl/auth-method/:name", { schema: { params: NamePath } }, (request, reply) =>
    reads.answer(request, reply, {
      requires: (authorizer) => demand(authorizer, "acl", "read"),
      query: (reader) => reader.aclAuthMethod(request.params.name),
      body: answered,
    }),
  );

  const write = async (fields: AclAuthMethodFields, request: Parameters<typeof authorize>[0]): Promise<object> => {
    logins.check(fields);
    await proposeOrThrow({ server, request, command: { type: "acl-auth-method-upsert", authMethod: fields } });
    return answered(methodOf(fields.Name));
  };
  app.put("/v1/acl/auth-method", { schema: { body: MethodBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    const { Name = "" } = request.body;
    return sendJson(reply, await write(fieldsOf(request.body, Name, methodOf(Name)), request));
  });
  app.put("/v1/acl/auth-method/:name", { schema: { params: NamePath, body: MethodBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    const { name } = request.params;
    const { Name = "" } = request.body;
    if (Name !== "" && Name !== name) throw invalid("Auth Method Name in URL and payload do not match");
    return sendJson(reply, await write(fieldsOf(request.body, name, methodOf(name)), request));
  });

  app.delete("/v1/acl/auth-method/:name", { schema: { params: NamePath } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    await proposeOrThrow({ server, request, command: { type: "acl-auth-method-delete", name: request.params.name } });
    return sendJson(reply, true);
  });
}

function fieldsOf(body: Body, name: string, existing: AclAuthMethodRecord | undefined): AclAuthMethodFields {
  if (name === "") throw invalid("Invalid Auth Method: no Name is set");
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(name)) {
    throw invalid("Invalid Auth Method: invalid Name. Only alphanumeric characters, '-' and '_' are allowed");
  }
  const { Type: typeName = existing?.Type ?? "", TokenLocality = "", TokenNameFormat = "" } = body;
  const type = authMethodTypes.find((one) => one === (typeName || existing?.Type));
  if (type === undefined) {
    throw invalid(`Invalid Auth Method: Type should be one of: [${authMethodTypes.join(" ")}]`);
  }
  if (TokenLocality !== "" && TokenLocality !== "local" && TokenLocality !== "global") {
    throw invalid("Invalid Auth Method: TokenLocality should be one of 'local' or 'global'");
  }
  return {
    Name: name,
    Type: type,
    DisplayName: short("DisplayName", body.DisplayName),
    Description: short("Description", body.Description),
    MaxTokenTtlMs: readTtl(body.MaxTokenTTL),
    TokenLocality,
    TokenNameFormat: short("TokenNameFormat", TokenNameFormat),
    Config: readConfig(body.Config),
  };
}

function short(field: string, text = ""): string {
  if (text.length <= maxTextChars) return text;
  throw invalid(`Invalid Auth Method: ${field} is ${text.length} characters long; at most ${maxTextChars} are allowed`);
}

function readConfig(config: unknown): Readonly<Record<string, unknown>> {
  if (config === undefined || config === null) return {};
  if (typeof config !== "object" || Array.isArray(config))
    throw invalid("Invalid Auth Method: Config must be an object");
  const { length } = JSON.stringify(config);
  if (length > maxConfigChars) {
    throw invalid(`Invalid Auth Method: Config has ${length} characters; at most ${maxConfigChars} are allowed`);
  }
  return { ...config };
}

/** Go's durations: text, or nanoseconds. */
function readTtl(given: unknown): number {
  if (given === undefined || given === null || given === "") return 0;
  const ttlMs =
    typeof given === "number" ? given / 1e6 : typeof given === "string" ? parseDurationMs(given) : undefined;
  if (ttlMs === undefined) throw invalid(`Invalid Auth Method: MaxTokenTTL is no duration: write it as "1h"`);
  if (ttlMs === 0) return 0;
  const shown = formatDurationMs(ttlMs);
  if (ttlMs > maxTtlMs) throw invalid(`MaxTokenTTL ${shown} cannot be more than ${formatDurationMs(maxTtlMs)}`);
  if (ttlMs < minTtlMs) throw invalid(`MaxTokenTTL ${shown} cannot be less than ${formatDurationMs(minTtlMs)}`);
  return ttlMs;
}

function stubAnswer(method: AclAuthMethodRecord): object {
  return {
    Name: method.Name,
    Type: method.Type,
    ...given("DisplayName", method.DisplayName),
    Description: method.Description,
    ...(method.MaxTokenTtlMs > 0 && { MaxTokenTTL: formatDurationMs(method.MaxTokenTtlMs) }),
    ...given("TokenLocality", method.TokenLocality),
    ...given("TokenNameFormat", method.TokenNameFormat),
    CreateIndex: method.CreateIndex,
    ModifyIndex: method.ModifyIndex,
  };
}

function given(name: string, text: string): object {
  return text === "" ? {} : { [name]: text };
}

function answered(method: AclAuthMethodRecord | undefined): object {
  if (method === undefined) {
    throw new AtollError("NOT_FOUND", "Requested auth method does not exist: ACL not found");
  }
  const { CreateIndex, ModifyIndex, ...rest } = Object.fromEntries(Object.entries(stubAnswer(method)));
  return { ...rest, Config: method.Config, CreateIndex, ModifyIndex };
}
