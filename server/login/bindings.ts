import { type FilterFields, parseFilter } from "../../lib/base/filter-expression.ts";
import { isIdentityName, policyTemplate } from "../../lib/acl/templates.ts";
import type { AclTokenFields } from "../../lib/contract/acl.ts";
import type { AclBindingRuleFields, BindType } from "../../lib/contract/acl-login.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { AclRecords } from "../state/acl-reads.ts";
import { type Identity, selects } from "./identity.ts";
import { interpolate } from "./interpolate.ts";

/** What binding rules grant to an identity. */
export type Bindings = Pick<
  AclTokenFields,
  "Policies" | "Roles" | "ServiceIdentities" | "NodeIdentities" | "TemplatedPolicies"
>;

export interface BindContext {
  readonly rules: Iterable<AclBindingRuleFields>;
  readonly identity: Identity;
  readonly fields: FilterFields<Identity>;
  readonly records: Pick<AclRecords, "policies" | "roles">;
  readonly datacenter: string;
}

/**
 * The grants of all rules whose selector matches. A policy or role that does not exist (yet) grants nothing. Throws
 * `PERMISSION_DENIED` when a name comes to something that cannot be one: a rule that goes wrong must not grant half.
 */
export function bind({ rules, identity, fields, records, datacenter }: BindContext): Bindings {
  const granted = {
    Policies: new Set<string>(),
    Roles: new Set<string>(),
    services: new Set<string>(),
    nodes: new Set<string>(),
    templates: new Map<string, AclTokenFields["TemplatedPolicies"][number]>(),
  };
  for (const rule of rules) {
    if (!isSelected(rule.Selector, identity, fields)) continue;
    const { name, varName } = namesOf(rule, identity.variables);
    switch (rule.BindType) {
      case "service":
        granted.services.add(name);
        break;
      case "node":
        granted.nodes.add(name);
        break;
      case "policy":
        addId(granted.Policies, records.policies.byName(name));
        break;
      case "role":
        addId(granted.Roles, records.roles.byName(name));
        break;
      case "templated-policy":
        granted.templates.set(`${name} ${varName}`, { TemplateName: name, Name: varName, Datacenters: [] });
        break;
    }
  }
  return {
    Policies: [...granted.Policies],
    Roles: [...granted.Roles],
    ServiceIdentities: [...granted.services].map((ServiceName) => ({ ServiceName, Datacenters: [] })),
    NodeIdentities: [...granted.nodes].map((NodeName) => ({ NodeName, Datacenter: datacenter })),
    TemplatedPolicies: [...granted.templates.values()],
  };
}

function addId(ids: Set<string>, record: { readonly ID: string } | undefined): void {
  if (record !== undefined) ids.add(record.ID);
}

function isSelected(selector: string, identity: Identity, fields: FilterFields<Identity>): boolean {
  if (selector === "") return true;
  const parsed = parseFilter(selector, fields);
  // It was checked when it was written; under another configuration of its method it may say nothing.
  return parsed.ok && selects(parsed.matches, identity);
}

function namesOf(
  rule: Pick<AclBindingRuleFields, "BindType" | "BindName" | "BindVarName">,
  variables: ReadonlyMap<string, string>,
): { readonly name: string; readonly varName: string } {
  const problem = bindProblem(rule, variables);
  if (problem !== undefined) throw new AtollError("PERMISSION_DENIED", `Permission denied: ${problem}`);
  return { name: put(rule.BindName, variables, rule.BindType), varName: put(rule.BindVarName, variables, "service") };
}

function put(template: string, variables: ReadonlyMap<string, string>, type: BindType): string {
  // The name of a template is none that an identity has a say in.
  if (type === "templated-policy") return template;
  const result = interpolate(template, variables, { lowersCase: true });
  return result.ok ? result.text : "";
}

/** Why a rule cannot grant anything to an identity with these variables; undefined when it can. In Consul's words. */
export function bindProblem(
  rule: Pick<AclBindingRuleFields, "BindType" | "BindName" | "BindVarName">,
  variables: ReadonlyMap<string, string>,
): string | undefined {
  const { BindType, BindName, BindVarName } = rule;
  if (BindType === "templated-policy") return templateProblem(BindName, BindVarName, variables);
  const name = interpolate(BindName, variables, { lowersCase: true });
  if (!name.ok) return `error interpreting template: ${name.message}`;
  return isBindName(BindType, name.text) ? undefined : `invalid bind name: ${JSON.stringify(name.text)}`;
}

function isBindName(type: BindType, name: string): boolean {
  if (type === "service" || type === "node") return isIdentityName(name);
  return type === "role" ? /^[A-Za-z0-9_-]{1,256}$/.test(name) : /^[A-Za-z0-9_/-]{1,128}$/.test(name);
}

function templateProblem(
  templateName: string,
  varName: string,
  variables: ReadonlyMap<string, string>,
): string | undefined {
  const template = policyTemplate(templateName);
  if (template === undefined) {
    return `Bind name for templated-policy bind type does not match existing template name: ${templateName}`;
  }
  const name = interpolate(varName, variables, { lowersCase: true });
  if (!name.ok) return `failed to interpret templated policy variables: ${name.message}`;
  if (template.takesName ? isIdentityName(name.text) : name.text === "") return undefined;
  const wanted = template.takesName ? "a name of lower case letters, digits, '-' and '_'" : "no variables";
  return `templated policy failed validation: ${templateName} takes ${wanted}, found ${JSON.stringify(name.text)}`;
}
