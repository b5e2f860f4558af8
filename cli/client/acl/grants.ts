import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { FlagSpecs } from "../../flags.ts";
import type { HttpApi } from "../../http-api.ts";
import { fieldsOf, type Fields, text } from "./shapes.ts";

/** The flags by which tokens and roles are given policies and identities, and what they come to in a body. */
const many = { type: "string", multiple: true } as const;

export const formatFlag = {
  format: { type: "string", placeholder: "format", summary: "pretty, the default, or json." },
} as const satisfies FlagSpecs;

export const grantFlags = {
  "policy-id": { ...many, placeholder: "id", summary: "ID of a policy; its first characters are enough." },
  "policy-name": { ...many, placeholder: "name", summary: "Name of a policy." },
  "service-identity": {
    ...many,
    placeholder: "name",
    summary: "A service's identity, as name or name:dc1,dc2 for these datacenters only.",
  },
  "node-identity": { ...many, placeholder: "name:datacenter", summary: "A node's identity." },
  "templated-policy": { type: "string", placeholder: "name", summary: "A policy that comes with the program." },
  var: { ...many, placeholder: "name:value", summary: "A variable of -templated-policy." },
} as const satisfies FlagSpecs;

export const roleFlags = {
  "role-id": { ...many, placeholder: "id", summary: "ID of a role; its first characters are enough." },
  "role-name": { ...many, placeholder: "name", summary: "Name of a role." },
} as const satisfies FlagSpecs;

export interface GrantValues {
  readonly "policy-id": readonly string[];
  readonly "policy-name": readonly string[];
  readonly "service-identity": readonly string[];
  readonly "node-identity": readonly string[];
  readonly "templated-policy": string | undefined;
  readonly var: readonly string[];
}

/** What the flags name, field by field; a field without flags is left out. */
export async function grantsOf(
  api: HttpApi,
  flags: GrantValues & { readonly "role-id"?: readonly string[]; readonly "role-name"?: readonly string[] },
): Promise<Fields> {
  const policies = [
    ...(await Promise.all(flags["policy-id"].map(async (id) => ({ ID: await wholeId(api, "policies", id) })))),
    ...flags["policy-name"].map((Name) => ({ Name })),
  ];
  const roles = [
    ...(await Promise.all((flags["role-id"] ?? []).map(async (id) => ({ ID: await wholeId(api, "roles", id) })))),
    ...(flags["role-name"] ?? []).map((Name) => ({ Name })),
  ];
  return {
    ...listed("Policies", policies),
    ...listed("Roles", roles),
    ...listed("ServiceIdentities", flags["service-identity"].map(serviceIdentity)),
    ...listed("NodeIdentities", flags["node-identity"].map(nodeIdentity)),
    ...listed("TemplatedPolicies", templatedPolicies(flags["templated-policy"], flags.var)),
  };
}

/** `before` with what `given` adds; each thing once. */
export function merged(before: Fields, given: Fields): Fields {
  const added = Object.entries(given).map(([name, list]) => {
    const known = before[name];
    const all = [...(Array.isArray(known) ? known : []), ...(Array.isArray(list) ? list : [])];
    return [name, [...new Map(all.map((one) => [keyOf(one), one])).values()]];
  });
  return { ...before, ...Object.fromEntries(added) };
}

/** IDs may be cut short where they stay clear. */
export async function wholeId(api: HttpApi, what: "tokens" | "policies" | "roles", id: string): Promise<string> {
  if (id.length >= 36) return id;
  const field = what === "tokens" ? "AccessorID" : "ID";
  const answer = await api.json({ method: "GET", path: `/v1/acl/${what}` });
  const ids = (Array.isArray(answer) ? answer : []).map((one) => text(fieldsOf(one), field));
  const found = ids.filter((one) => one.startsWith(id));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const why = found.length === 0 ? "nothing begins with it" : `${found.length} of them begin with it`;
  throw new AtollError("INVALID_ARGUMENT", `"${id}" does not name one of the ${what}: ${why}`);
}

export function isJson(format: string | undefined): boolean {
  if (format === undefined || format === "pretty") return false;
  if (format === "json") return true;
  throw new AtollError("INVALID_ARGUMENT", `Invalid format: -format must be pretty or json, found "${format}"`);
}

function keyOf(value: unknown): string {
  const fields = fieldsOf(value);
  return text(fields, "Name") || text(fields, "ID") || JSON.stringify(value);
}

function listed(name: string, list: readonly unknown[]): Fields {
  return list.length === 0 ? {} : { [name]: list };
}

function serviceIdentity(given: string): object {
  const [ServiceName = "", datacenters = ""] = given.split(":");
  return { ServiceName, ...(datacenters !== "" && { Datacenters: datacenters.split(",") }) };
}

function nodeIdentity(given: string): object {
  const [NodeName = "", Datacenter = "", ...rest] = given.split(":");
  if (NodeName !== "" && Datacenter !== "" && rest.length === 0) return { NodeName, Datacenter };
  throw new AtollError("INVALID_ARGUMENT", `flag -node-identity must be name:datacenter, found "${given}"`);
}

function templatedPolicies(template: string | undefined, variables: readonly string[]): readonly object[] {
  if (template === undefined) {
    if (variables.length === 0) return [];
    throw new AtollError("INVALID_ARGUMENT", "flag -var needs -templated-policy");
  }
  const pairs = variables.map((given) => {
    const at = given.indexOf(":");
    if (at <= 0) throw new AtollError("INVALID_ARGUMENT", `flag -var must be name:value, found "${given}"`);
    const name = given.slice(0, at);
    return [name.charAt(0).toUpperCase() + name.slice(1), given.slice(at + 1)];
  });
  return [{ TemplateName: template, ...(pairs.length > 0 && { TemplateVariables: Object.fromEntries(pairs) }) }];
}
