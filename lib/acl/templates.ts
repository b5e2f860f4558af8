import type { NodeIdentity, ServiceIdentity } from "../contract/acl.ts";

/** The policies that come with the program, by name: what common workloads need, for a name where it takes one. */
export interface PolicyTemplate {
  readonly name: string;
  readonly description: string;
  readonly takesName: boolean;
  /** `{{.Name}}` stands for the name. */
  readonly template: string;
}

const rule = (resource: string, name: string, policy: string): string =>
  `${resource} "${name}" {\n\tpolicy = "${policy}"\n}`;
const variable = "{{.Name}}";

const serviceRules = [
  rule("service", variable, "write"),
  rule("service", `${variable}-sidecar-proxy`, "write"),
  rule("service_prefix", "", "read"),
  rule("node_prefix", "", "read"),
];

export const policyTemplates: readonly PolicyTemplate[] = [
  {
    name: "builtin/service",
    description: "Gives the token or role permissions to register a service and discover services in the datacenter.",
    takesName: true,
    template: serviceRules.join("\n"),
  },
  {
    name: "builtin/node",
    description: "Gives the token or role permissions for a node and to discover services in the datacenter.",
    takesName: true,
    template: [rule("node", variable, "write"), rule("service_prefix", "", "read")].join("\n"),
  },
  {
    name: "builtin/dns",
    description: "Gives the token or role permissions for a DNS server to look up nodes, services and queries.",
    takesName: false,
    template: ["node_prefix", "service_prefix", "query_prefix"].map((one) => rule(one, "", "read")).join("\n"),
  },
  {
    name: "builtin/nomad-server",
    description: "Gives the token or role permissions required by a Nomad server.",
    takesName: false,
    template: [
      'acl = "write"',
      rule("agent_prefix", "", "read"),
      rule("node_prefix", "", "read"),
      rule("service_prefix", "", "write"),
    ].join("\n"),
  },
  {
    name: "builtin/nomad-client",
    description: "Gives the token or role permissions required by a Nomad client.",
    takesName: false,
    template: [
      rule("agent_prefix", "", "read"),
      rule("node_prefix", "", "read"),
      rule("service_prefix", "", "write"),
      rule("key_prefix", "", "read"),
    ].join("\n"),
  },
  {
    name: "builtin/workload-identity",
    description: "Gives the token or role permissions for one workload identity.",
    takesName: true,
    template: rule("identity", variable, "write"),
  },
  {
    name: "builtin/api-gateway",
    description: "Gives the token or role permissions for one API gateway.",
    takesName: true,
    template: [
      'mesh = "read"',
      rule("node_prefix", "", "read"),
      rule("service_prefix", "", "read"),
      rule("service", variable, "write"),
    ].join("\n"),
  },
];

export function policyTemplate(name: string): PolicyTemplate | undefined {
  return policyTemplates.find((one) => one.name === name);
}

/** The rules of a template. `name` was judged by {@link isIdentityName} and so cannot end the text that it is put into. */
export function renderTemplate(template: PolicyTemplate, name: string): string {
  return template.template.replaceAll(variable, name);
}

export function serviceIdentityRules({ ServiceName }: Pick<ServiceIdentity, "ServiceName">): string {
  return serviceRules.join("\n").replaceAll(variable, ServiceName);
}

export function nodeIdentityRules({ NodeName }: Pick<NodeIdentity, "NodeName">): string {
  return [rule("node", NodeName, "write"), rule("service_prefix", "", "read")].join("\n");
}

/** What identities and templates may be for: lower case, digits, `-` and `_`, neither of them at the ends. */
export function isIdentityName(name: string): boolean {
  return name.length <= 256 && /^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$/.test(name);
}
