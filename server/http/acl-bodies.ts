import { type Static, Type } from "typebox";
import { isIdentityName, policyTemplate } from "../../lib/acl/templates.ts";
import type { NodeIdentity, ServiceIdentity, TemplatedPolicyLink } from "../../lib/contract/acl.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { AclRecords } from "../state/acl-reads.ts";

/** What tokens and roles have in common in the bodies of `/v1/acl`, read as Consul reads it. */
const Text = Type.Optional(Type.String());
const Names = Type.Optional(Type.Array(Type.String()));
export const Links = Type.Optional(Type.Array(Type.Object({ ID: Text, Name: Text })));
export const grantFields = {
  Policies: Links,
  ServiceIdentities: Type.Optional(Type.Array(Type.Object({ ServiceName: Text, Datacenters: Names }))),
  NodeIdentities: Type.Optional(Type.Array(Type.Object({ NodeName: Text, Datacenter: Text }))),
  TemplatedPolicies: Type.Optional(
    Type.Array(
      Type.Object({
        TemplateName: Text,
        TemplateVariables: Type.Optional(Type.Object({ Name: Text })),
        Datacenters: Names,
      }),
    ),
  ),
};
const Grants = Type.Object(grantFields);
type GrantBody = Static<typeof Grants>;

/** Links of one token or role; Consul's tokens have a few. */
const maxLinks = 1_000;

/** The policies and identities of a body. Throws `INVALID_ARGUMENT` for one that does not exist or cannot be. */
export function readGrants(
  body: GrantBody,
  records: AclRecords,
): {
  readonly Policies: readonly string[];
  readonly ServiceIdentities: readonly ServiceIdentity[];
  readonly NodeIdentities: readonly NodeIdentity[];
  readonly TemplatedPolicies: readonly TemplatedPolicyLink[];
} {
  return {
    Policies: readLinks(body.Policies, records.policies, "policy"),
    ServiceIdentities: unique(bounded(body.ServiceIdentities, "ServiceIdentities").map(serviceIdentity)),
    NodeIdentities: unique(bounded(body.NodeIdentities, "NodeIdentities").map(nodeIdentity)),
    TemplatedPolicies: unique(bounded(body.TemplatedPolicies, "TemplatedPolicies").map(templatedPolicy)),
  };
}

/** Ids of what the links name by id or name, each once. */
export function readLinks(
  links: readonly { readonly ID?: string; readonly Name?: string }[] | undefined,
  records: {
    get(id: string): { readonly ID: string } | undefined;
    byName(name: string): { readonly ID: string } | undefined;
  },
  what: "policy" | "role",
): readonly string[] {
  const ids = bounded(links, what === "policy" ? "Policies" : "Roles").map(({ ID = "", Name = "" }) => {
    const found = ID === "" ? records.byName(Name) : records.get(ID);
    if (found !== undefined) return found.ID;
    const named = ID === "" ? `name "${Name}"` : `ID "${ID}"`;
    throw invalid(`No such ACL ${what} with ${named}`);
  });
  return [...new Set(ids)];
}

function serviceIdentity({ ServiceName = "", Datacenters = [] }: { ServiceName?: string; Datacenters?: string[] }) {
  if (ServiceName === "") throw invalid("Service identity is missing the service name field on this token or role");
  if (isIdentityName(ServiceName)) return { ServiceName, Datacenters };
  throw invalid(
    `Service identity "${ServiceName}" has an invalid name. Only lowercase alphanumeric characters, '-' and '_' are allowed`,
  );
}

function nodeIdentity({ NodeName = "", Datacenter = "" }: { NodeName?: string; Datacenter?: string }) {
  if (NodeName === "") throw invalid("Node identity is missing the node name field on this token or role");
  if (Datacenter === "") throw invalid("Node identity is missing the datacenter field on this token or role");
  if (isIdentityName(NodeName)) return { NodeName, Datacenter };
  throw invalid(
    `Node identity "${NodeName}" has an invalid name. Only lowercase alphanumeric characters, '-' and '_' are allowed`,
  );
}

function templatedPolicy(link: {
  TemplateName?: string;
  TemplateVariables?: { Name?: string };
  Datacenters?: string[];
}): TemplatedPolicyLink {
  const { TemplateName = "", TemplateVariables, Datacenters = [] } = link;
  const name = mustTemplateName(TemplateName, TemplateVariables?.Name ?? "");
  return { TemplateName, Name: name, Datacenters };
}

/** The variable of a template, checked. Throws `INVALID_ARGUMENT`. */
export function mustTemplateName(templateName: string, name: string): string {
  const template = policyTemplate(templateName);
  if (template === undefined) throw invalid(`no such ACL templated policy with Name "${templateName}"`);
  if (!template.takesName) return "";
  if (isIdentityName(name)) return name;
  throw invalid(
    `templated policy "${templateName}": TemplateVariables.Name must be lowercase alphanumeric characters, '-' and '_', ` +
      `found "${name}"`,
  );
}

function bounded<T>(list: readonly T[] | undefined, field: string): readonly T[] {
  if ((list?.length ?? 0) > maxLinks)
    throw invalid(`${field} has ${list?.length} entries; at most ${maxLinks} are allowed`);
  return list ?? [];
}

function unique<T>(list: readonly T[]): readonly T[] {
  return [...new Map(list.map((one) => [JSON.stringify(one), one])).values()];
}

export function invalid(message: string): AtollError {
  return new AtollError("INVALID_ARGUMENT", message);
}

/** Consul answers what is not there as it answers a token that is not there: its clients look for these words. */
export function aclMissing(what: string): AtollError {
  return new AtollError("PERMISSION_DENIED", `Requested ${what} does not exist: ACL not found`);
}

export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}
