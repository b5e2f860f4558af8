import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { policyTemplate, policyTemplates, renderTemplate } from "../../lib/acl/templates.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendJson } from "../../lib/http/answers.ts";
import { readJsonBody } from "../../lib/http/body-decoder.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { rawBody } from "../../lib/http/relay.ts";
import { templateAnswer } from "./acl-answers.ts";
import { mustTemplateName } from "./acl-bodies.ts";
import type { AclRouteContext } from "./acl-routes.ts";

const NamePath = Type.Object({ "*": Type.String() });

/** `/v1/acl/templated-polic(y|ies)`: the policies that come with the program. Their names hold a slash. */
export function registerAclTemplateRoutes(app: HttpApp, { authorize }: AclRouteContext): void {
  app.get("/v1/acl/templated-policies", async (request, reply) => {
    demand(authorize(request), "acl", "read");
    return sendJson(reply, Object.fromEntries(policyTemplates.map((one) => [one.name, templateAnswer(one)])));
  });

  app.get("/v1/acl/templated-policy/name/*", { schema: { params: NamePath } }, async (request, reply) => {
    demand(authorize(request), "acl", "read");
    return sendJson(reply, templateAnswer(mustTemplate(request.params["*"])));
  });

  app.post("/v1/acl/templated-policy/preview/*", { schema: { params: NamePath } }, async (request, reply) => {
    demand(authorize(request), "acl", "read");
    const template = mustTemplate(request.params["*"]);
    const name = template.takesName ? mustTemplateName(template.name, nameIn(request.body)) : "";
    return sendJson(reply, {
      ID: "",
      Name: `synthetic-policy-${template.name}${name === "" ? "" : `-${name}`}`,
      Description: `synthetic policy generated from templated policy: ${template.name}`,
      Rules: renderTemplate(template, name),
      Hash: null,
      CreateIndex: 0,
      ModifyIndex: 0,
    });

    function nameIn(body: unknown): string {
      if (rawBody(request).length === 0) return "";
      const value = readJsonBody(body);
      const fields: Record<string, unknown> = typeof value === "object" && value !== null ? { ...value } : {};
      const text = fields["Name"] ?? fields["name"];
      return typeof text === "string" ? text : "";
    }
  });
}

function mustTemplate(name: string) {
  const template = policyTemplate(name);
  if (template !== undefined) return template;
  throw new AtollError("INVALID_ARGUMENT", `Invalid templated policy Name: ${name}`);
}
