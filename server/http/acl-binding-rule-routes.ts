import { type Static, Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { parseFilter } from "../../lib/base/filter-expression.ts";
import { type AclBindingRuleFields, type AclBindingRuleRecord, bindTypes } from "../../lib/contract/acl-login.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { bindProblem } from "../login/bindings.ts";
import { invalid, isUuid } from "./acl-bodies.ts";
import type { AclLoginContext } from "./acl-login-routes.ts";
import { proposeOrThrow } from "./propose.ts";

const IdPath = Type.Object({ id: Type.String() });
const Text = Type.Optional(Type.String());
const RuleBody = Type.Object({
  ID: Text,
  Description: Text,
  AuthMethod: Text,
  Selector: Text,
  BindType: Text,
  BindName: Text,
  BindVars: Type.Optional(Type.Object({ Name: Text })),
});
type Body = Static<typeof RuleBody>;

const maxTextChars = 4_096;

/** `/v1/acl/binding-rule(s)`: what the logins of an auth method are granted. */
export function registerAclBindingRuleRoutes(app: HttpApp, context: AclLoginContext): void {
  const { server, reads, authorize, runtime, logins } = context;
  const records = () => server.reader.aclLoginRecords();

  app.get("/v1/acl/binding-rules", (request, reply) => {
    const method = queryOf(request).get("authmethod") ?? "";
    return reads.answer(request, reply, {
      requires: (authorizer) => demand(authorizer, "acl", "read"),
      query: (reader) => reader.aclBindingRules(),
      body: (rules) => rules.filter((rule) => method === "" || rule.AuthMethod === method).map(ruleAnswer),
    });
  });

  app.get("/v1/acl/binding-rule/:id", { schema: { params: IdPath } }, (request, reply) =>
    reads.answer(request, reply, {
      requires: (authorizer) => demand(authorizer, "acl", "read"),
      query: (reader) => reader.aclBindingRule(request.params.id),
      body: answered,
    }),
  );

  app.put("/v1/acl/binding-rule", { schema: { body: RuleBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    if ((request.body.ID ?? "") !== "") throw invalid("Cannot specify the ID when creating a new binding rule");
    const rule = fieldsOf(request.body, { id: runtime.random.uuid(), existing: undefined });
    await proposeOrThrow({ server, request, command: { type: "acl-binding-rule-upsert", rule, isNew: true } });
    return sendJson(reply, answered(records().bindingRules.get(rule.ID)));
  });

  app.put("/v1/acl/binding-rule/:id", { schema: { params: IdPath, body: RuleBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    const { id } = request.params;
    const { ID = "" } = request.body;
    if (!isUuid(id)) throw invalid("Binding Rule ID invalid UUID");
    if (ID !== "" && ID !== id) throw invalid("BindingRule ID in URL and payload do not match");
    const existing = records().bindingRules.get(id);
    if (existing === undefined) throw invalid(`cannot find binding rule ${id}`);
    const rule = fieldsOf(request.body, { id, existing });
    await proposeOrThrow({ server, request, command: { type: "acl-binding-rule-upsert", rule, isNew: false } });
    return sendJson(reply, answered(records().bindingRules.get(id)));
  });

  app.delete("/v1/acl/binding-rule/:id", { schema: { params: IdPath } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    await proposeOrThrow({ server, request, command: { type: "acl-binding-rule-delete", id: request.params.id } });
    return sendJson(reply, true);
  });

  function fieldsOf(
    body: Body,
    { id, existing }: { readonly id: string; readonly existing: AclBindingRuleRecord | undefined },
  ): AclBindingRuleFields {
    const { Description = "", Selector = "", BindName = "", BindVars = {} } = body;
    const methodName = body.AuthMethod || existing?.AuthMethod || "";
    if (methodName === "") throw invalid("Invalid Binding Rule: no AuthMethod is set");
    if (existing !== undefined && methodName !== existing.AuthMethod) {
      throw invalid("the AuthMethod field of an Binding Rule is immutable");
    }
    const method = records().authMethods.get(methodName);
    if (method === undefined) throw invalid(`cannot find auth method with name "${methodName}"`);
    const verifier = logins.verifierOf(method);
    if ((body.BindType ?? "") === "") throw invalid("Invalid Binding Rule: no BindType is set");
    const type = bindTypes.find((one) => one === body.BindType);
    if (type === undefined) throw invalid(`Invalid Binding Rule: unknown BindType "${body.BindType}"`);
    if (BindName === "") throw invalid("Invalid Binding Rule: no BindName is set");
    const rule: AclBindingRuleFields = {
      ID: id,
      Description,
      AuthMethod: methodName,
      Selector,
      BindType: type,
      BindName,
      BindVarName: BindVars.Name ?? "",
    };
    const long = Object.entries(rule).find(([, text]) => text.length > maxTextChars);
    if (long !== undefined) throw invalid(`Invalid Binding Rule: ${long[0]} has more than ${maxTextChars} characters`);
    const selector = Selector === "" ? undefined : parseFilter(Selector, verifier.fields);
    if (selector?.ok === false) throw invalid(`invalid Binding Rule: Selector is invalid: ${selector.message}`);
    const problem = bindProblem(rule, verifier.sampleVariables);
    if (problem !== undefined) {
      throw invalid(`Invalid Binding Rule: failed to validate bindType "${type}": ${problem}`);
    }
    return rule;
  }
}

function ruleAnswer(rule: AclBindingRuleRecord): object {
  return {
    ID: rule.ID,
    Description: rule.Description,
    AuthMethod: rule.AuthMethod,
    Selector: rule.Selector,
    BindType: rule.BindType,
    BindName: rule.BindName,
    ...(rule.BindVarName !== "" && { BindVars: { Name: rule.BindVarName } }),
    CreateIndex: rule.CreateIndex,
    ModifyIndex: rule.ModifyIndex,
  };
}

function answered(rule: AclBindingRuleRecord | undefined): object {
  if (rule !== undefined) return ruleAnswer(rule);
  throw new AtollError("NOT_FOUND", "Requested binding rule does not exist: ACL not found");
}
