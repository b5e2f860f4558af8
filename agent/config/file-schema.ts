import { Type } from "typebox";
import type { Static } from "typebox";
import { Compile } from "typebox/compile";
import { AclFileSchema } from "./acl-options.ts";
import { AuditBlock } from "./audit-block.ts";
import { DnsConfigSchema } from "./dns-options.ts";

/**
 * The keys of an agent's configuration file that this version acts on: Consul's names and types, and for what Consul has
 * no word for, ours. Other keys are not an error, so the object is open.
 */
const Port = Type.Integer({ minimum: 0, maximum: 65_535 });
const Definition = Type.Object({});

export const AgentFileSchema = Type.Object({
  server: Type.Optional(Type.Boolean()),
  bootstrap: Type.Optional(Type.Boolean()),
  bootstrap_expect: Type.Optional(Type.Integer({ minimum: 0 })),
  datacenter: Type.Optional(Type.String()),
  node_name: Type.Optional(Type.String()),
  node_id: Type.Optional(Type.String()),
  node_meta: Type.Optional(Type.Record(Type.String(), Type.String())),
  locality: Type.Optional(Type.Object({ region: Type.Optional(Type.String()), zone: Type.Optional(Type.String()) })),
  data_dir: Type.Optional(Type.String()),
  bind_addr: Type.Optional(Type.String()),
  advertise_addr: Type.Optional(Type.String()),
  client_addr: Type.Optional(Type.String()),
  addresses: Type.Optional(Type.Object({ dns: Type.Optional(Type.String()), http: Type.Optional(Type.String()) })),
  ports: Type.Optional(
    Type.Object({
      /** -1 for none. */
      dns: Type.Optional(Type.Integer({ minimum: -1, maximum: 65_535 })),
      http: Type.Optional(Port),
      server: Type.Optional(Port),
      sidecar_min_port: Type.Optional(Port),
      sidecar_max_port: Type.Optional(Port),
      /** Ours: the admin port of the proxy of the sidecar on `sidecar_min_port`. */
      proxy_admin_min_port: Type.Optional(Port),
    }),
  ),
  domain: Type.Optional(Type.String()),
  alt_domain: Type.Optional(Type.String()),
  recursors: Type.Optional(Type.Array(Type.String())),
  dns_config: Type.Optional(DnsConfigSchema),
  retry_join: Type.Optional(Type.Array(Type.String())),
  start_join: Type.Optional(Type.Array(Type.String())),
  /** Ours: what a server asks of an agent that joins. */
  join_token: Type.Optional(Type.String()),
  join_token_file: Type.Optional(Type.String()),
  /** Ours: how long the node may be silent, and how long it stays in the catalog after that. */
  lease: Type.Optional(
    Type.Object({
      class: Type.Optional(Type.String()),
      ttl: Type.Optional(Type.String()),
      reap_after: Type.Optional(Type.String()),
    }),
  ),
  /** Consul's word for `lease.reap_after`. */
  reconnect_timeout: Type.Optional(Type.String()),
  leave_on_terminate: Type.Optional(Type.Boolean()),
  log_level: Type.Optional(Type.String()),
  log_json: Type.Optional(Type.Boolean()),
  audit: Type.Optional(AuditBlock),
  check_update_interval: Type.Optional(Type.String()),
  acl: Type.Optional(AclFileSchema),
  service: Type.Optional(Definition),
  services: Type.Optional(Type.Array(Definition)),
  check: Type.Optional(Definition),
  checks: Type.Optional(Type.Array(Definition)),
});

export type AgentFile = Static<typeof AgentFileSchema>;

export const agentFileValidator = Compile(AgentFileSchema);

/** Keys of `document` that the schema does not name, as paths; what is inside a definition is its decoder's business. */
export function unknownKeys(document: object): string[] {
  const { ports, addresses, locality, lease, acl, dns_config: dns } = AgentFileSchema.properties;
  return [
    ...keysBeside(document, AgentFileSchema.properties, ""),
    ...keysBeside(memberOf(document, "ports"), ports.properties, "ports."),
    ...keysBeside(memberOf(document, "addresses"), addresses.properties, "addresses."),
    ...keysBeside(memberOf(document, "locality"), locality.properties, "locality."),
    ...keysBeside(memberOf(document, "lease"), lease.properties, "lease."),
    ...keysBeside(memberOf(document, "acl"), acl.properties, "acl."),
    ...keysBeside(memberOf(memberOf(document, "acl"), "tokens"), acl.properties.tokens.properties, "acl.tokens."),
    ...keysBeside(memberOf(document, "audit"), AuditBlock.properties, "audit."),
    ...keysBeside(memberOf(document, "dns_config"), dns.properties, "dns_config."),
  ];
}

function keysBeside(document: object, known: object, prefix: string): string[] {
  return Object.keys(document)
    .filter((key) => !Object.hasOwn(known, key))
    .map((key) => `${prefix}${key}`);
}

function memberOf(document: object, key: string): object {
  const value: unknown = Object.getOwnPropertyDescriptor(document, key)?.value;
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}
