import { type Static, Type } from "typebox";
import type { AclTokenFields } from "../../lib/contract/acl.ts";
import type { AclAuthMethodRecord } from "../../lib/contract/acl-login.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { tokenOf } from "../../lib/http/request-token.ts";
import { aclNotFound, secretHash } from "../acl/resolver.ts";
import { bind } from "../login/bindings.ts";
import type { Identity } from "../login/identity.ts";
import { interpolate } from "../login/interpolate.ts";
import { createLoginService, type LoginService } from "../login/login-service.ts";
import { notVerified } from "../login/method-type.ts";
import { grantsAnything } from "../state/acl-login-rules.ts";
import { registerAclAuthMethodRoutes } from "./acl-auth-method-routes.ts";
import { tokenAnswer } from "./acl-answers.ts";
import { registerAclBindingRuleRoutes } from "./acl-binding-rule-routes.ts";
import { invalid } from "./acl-bodies.ts";
import type { AclRouteContext } from "./acl-routes.ts";
import { proposeOrThrow } from "./propose.ts";

export interface AclLoginContext extends AclRouteContext {
  readonly logins: LoginService;
}

const LoginBody = Type.Object({
  AuthMethod: Type.Optional(Type.String()),
  BearerToken: Type.Optional(Type.String()),
  Meta: Type.Optional(Type.Record(Type.String(), Type.String())),
});

const maxDescriptionChars = 4_096;
const permissionDenied = "Permission denied";

/** `/v1/acl/login`, `/v1/acl/logout`, and what says who may log in as what. */
export function registerAclLoginRoutes(app: HttpApp, routes: AclRouteContext): void {
  const context: AclLoginContext = { ...routes, logins: createLoginService({ clock: routes.runtime.clock }) };
  const { server, acl, logins, runtime } = context;
  registerAclAuthMethodRoutes(app, context);
  registerAclBindingRuleRoutes(app, context);

  // The token of the request, if it has one, is of no concern.
  app.post("/v1/acl/login", { schema: { body: LoginBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const { AuthMethod = "", BearerToken = "" } = request.body;
    if (AuthMethod === "") throw invalid("Invalid Login request: Missing auth method");
    const method = server.reader.aclLoginRecords().authMethods.get(AuthMethod);
    if (method === undefined) {
      throw new AtollError("PERMISSION_DENIED", `ACL not found: auth method "${AuthMethod}" not found`);
    }
    const identity = await logins.verify(method, BearerToken);
    const secret = runtime.random.uuid();
    const token = tokenFor({ method, identity, secret, meta: request.body.Meta });
    const isDone = await proposeOrThrow({
      server,
      request,
      command: { type: "acl-login", token, methodIndex: method.ModifyIndex },
    });
    const record = server.reader.aclRecords().tokens.get(token.AccessorID);
    // The method changed while the login was verified, or this request has made a token before.
    if (!isDone || record === undefined) throw new AtollError("PERMISSION_DENIED", permissionDenied);
    return sendJson(reply, tokenAnswer(record, server.reader.aclRecords(), secret));
  });

  app.post("/v1/acl/logout", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const secret = tokenOf(request);
    const { token } = acl.resolveToken(secret);
    if (secret === "" || token === undefined) throw aclNotFound();
    if (token.AuthMethod === "") {
      throw new AtollError("PERMISSION_DENIED", `${permissionDenied}: token wasn't created via login`);
    }
    await proposeOrThrow({ server, request, command: { type: "acl-token-delete", accessorIds: [token.AccessorID] } });
    return sendJson(reply, true);
  });

  function tokenFor(login: {
    readonly method: AclAuthMethodRecord;
    readonly identity: Identity;
    readonly secret: string;
    readonly meta: Static<typeof LoginBody>["Meta"];
  }): AclTokenFields {
    const { method, identity } = login;
    const { reader, datacenter } = server;
    const bindings = bind({
      rules: reader.aclLoginRecords().bindingRules.ofAuthMethod(method.Name),
      identity,
      fields: logins.verifierOf(method).fields,
      records: reader.aclRecords(),
      datacenter,
    });
    // A token of no use is not made.
    if (!grantsAnything(bindings)) throw new AtollError("PERMISSION_DENIED", permissionDenied);
    const nowMs = runtime.clock.nowMs();
    return {
      AccessorID: runtime.random.uuid(),
      SecretHash: secretHash(login.secret),
      Description: describe(method, identity, login.meta),
      ...bindings,
      Local: method.TokenLocality !== "global",
      AuthMethod: method.Name,
      CreateTime: new Date(nowMs).toISOString(),
      ...(method.MaxTokenTtlMs > 0 && { ExpirationTime: new Date(nowMs + method.MaxTokenTtlMs).toISOString() }),
    };
  }
}

/** Consul's words with the meta of the request, or what the method says. */
function describe(
  method: AclAuthMethodRecord,
  identity: Identity,
  meta: Readonly<Record<string, string>> = {},
): string {
  const made = Object.keys(meta).length === 0 ? "" : `: ${JSON.stringify(meta, Object.keys(meta).toSorted())}`;
  const standard = `token created via login${made}`;
  if (standard.length > maxDescriptionChars) {
    throw invalid(
      `Meta makes a description of ${standard.length} characters; at most ${maxDescriptionChars} are allowed`,
    );
  }
  if (method.TokenNameFormat === "") return standard;
  const variables = new Map([
    ...identity.variables,
    ["auth_method_name", method.Name] as const,
    ["auth_method_type", method.Type] as const,
  ]);
  const named = interpolate(method.TokenNameFormat, variables, { lowersCase: false });
  if (!named.ok) throw notVerified(`TokenNameFormat of the auth method: ${named.message}`);
  return named.text.slice(0, maxDescriptionChars);
}
