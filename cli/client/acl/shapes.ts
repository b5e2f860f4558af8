/** Tokens, policies and roles as Consul's commands print them. */
export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {};
}

export function text(fields: Fields, name: string): string {
  const value = fields[name];
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

function list(fields: Fields, name: string): readonly Fields[] {
  const value = fields[name];
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

export function tokenText(token: Fields, showsMeta: boolean): string {
  const rows = [
    ["AccessorID:", text(token, "AccessorID")],
    ["SecretID:", text(token, "SecretID")],
    ["Description:", text(token, "Description")],
    ["Local:", String(token["Local"] === true)],
    ["Auth Method:", text(token, "AuthMethod")],
    ["Create Time:", text(token, "CreateTime")],
    ["Expiration Time:", text(token, "ExpirationTime")],
    ...metaRows(token, showsMeta),
  ];
  const shown = rows.filter(([name, value]) => value !== "" || name === "Description:");
  return (
    aligned(shown, 18) +
    linksText(token, "Policies", "Policies") +
    linksText(token, "Roles", "Roles") +
    identitiesText(token)
  );
}

export function policyText(policy: Fields, showsMeta: boolean): string {
  const rows = [
    ["ID:", text(policy, "ID")],
    ["Name:", text(policy, "Name")],
    ["Description:", text(policy, "Description")],
    ["Datacenters:", namesOf(policy, "Datacenters")],
    ...metaRows(policy, showsMeta),
  ];
  return `${aligned(rows, 14)}Rules:\n${text(policy, "Rules")}\n`;
}

/** Of a list, where policies come without rules. */
export function policyStubText(policy: Fields, showsMeta: boolean): string {
  const rows = [
    ["ID:", text(policy, "ID")],
    ["Description:", text(policy, "Description")],
    ["Datacenters:", namesOf(policy, "Datacenters")],
    ...metaRows(policy, showsMeta),
  ];
  return `${text(policy, "Name")}:\n${indented(aligned(rows, 14))}`;
}

export function roleText(role: Fields, showsMeta: boolean): string {
  const rows = [
    ["ID:", text(role, "ID")],
    ["Name:", text(role, "Name")],
    ["Description:", text(role, "Description")],
    ...metaRows(role, showsMeta),
  ];
  return aligned(rows, 14) + linksText(role, "Policies", "Policies") + identitiesText(role);
}

export function roleStubText(role: Fields, showsMeta: boolean): string {
  const rows = [["ID:", text(role, "ID")], ["Description:", text(role, "Description")], ...metaRows(role, showsMeta)];
  const rest = linksText(role, "Policies", "Policies") + identitiesText(role);
  return `${text(role, "Name")}:\n${indented(aligned(rows, 14) + rest)}`;
}

function metaRows(fields: Fields, showsMeta: boolean): string[][] {
  if (!showsMeta) return [];
  return [
    ["Hash:", text(fields, "Hash")],
    ["Create Index:", text(fields, "CreateIndex")],
    ["Modify Index:", text(fields, "ModifyIndex")],
  ];
}

function linksText(fields: Fields, name: string, title: string): string {
  const links = list(fields, name);
  if (links.length === 0) return "";
  return `${title}:\n${links.map((link) => `   ${text(link, "ID")} - ${text(link, "Name")}\n`).join("")}`;
}

function identitiesText(fields: Fields): string {
  const services = list(fields, "ServiceIdentities").map(
    (one) => `   ${text(one, "ServiceName")} (Datacenters: ${namesOf(one, "Datacenters") || "all"})\n`,
  );
  const nodes = list(fields, "NodeIdentities").map(
    (one) => `   ${text(one, "NodeName")} (Datacenter: ${text(one, "Datacenter")})\n`,
  );
  const templates = list(fields, "TemplatedPolicies").map((one) => {
    const name = text(fieldsOf(one["TemplateVariables"]), "Name");
    const variable = name === "" ? "" : `      Name: ${name}\n`;
    return `   ${text(one, "TemplateName")}\n${variable}      Datacenters: ${namesOf(one, "Datacenters") || "all"}\n`;
  });
  return [
    services.length === 0 ? "" : `Service Identities:\n${services.join("")}`,
    nodes.length === 0 ? "" : `Node Identities:\n${nodes.join("")}`,
    templates.length === 0 ? "" : `Templated Policies:\n${templates.join("")}`,
  ].join("");
}

function namesOf(fields: Fields, name: string): string {
  const value = fields[name];
  return Array.isArray(value) ? value.map(String).join(", ") : "";
}

function aligned(rows: readonly (readonly string[])[], width: number): string {
  return rows
    .map(([name = "", value = ""]) => `${name.padEnd(width)}${value}`.trimEnd())
    .join("\n")
    .concat("\n");
}

function indented(lines: string): string {
  return lines.replace(/^(?=.)/gm, "   ");
}
