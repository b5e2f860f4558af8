import { Type } from "typebox";
import type { Static } from "typebox";
import { Compile } from "typebox/compile";
import { AclFileSchema } from "./acl-options.ts";
import { AuditBlock } from "./audit-block.ts";
import { DnsConfigSchema } from "./dns-options.ts";

/**
 * The keys of an agent's configuration file that this version acts on, spelt and typed as Consul does, and for what Consul
 * has no word for, ours. keys/key-table.ts says of each what it does, and of Consul's other keys why they do nothing.
 */
const optional = Type.Optional;
const Text = optional(Type.String());
const Flag = optional(Type.Boolean());
const Count = optional(Type.Integer({ minimum: 0 }));
/** -1 is "none", as in Consul. */
const Port = optional(Type.Integer({ minimum: -1, maximum: 65_535 }));
const TextList = optional(Type.Array(Type.String()));
const TextMap = optional(Type.Record(Type.String(), Type.String()));
const Definitions = optional(Type.Array(Type.Object({})));

const tlsFields = {
  ca_file: Text,
  ca_path: Text,
  cert_file: Text,
  key_file: Text,
  verify_incoming: Flag,
  tls_min_version: Text,
  tls_cipher_suites: Text,
};
const TlsSchema = Type.Object(tlsFields);
export type TlsFile = Static<typeof TlsSchema>;

export const AgentFileSchema = Type.Object({
  server: Flag,
  bootstrap: Flag,
  bootstrap_expect: Count,
  datacenter: Text,
  node_name: Text,
  node_id: Text,
  node_meta: TextMap,
  locality: optional(Type.Object({ region: Text, zone: Text })),
  data_dir: Text,
  bind_addr: Text,
  advertise_addr: Text,
  client_addr: Text,
  addresses: optional(Type.Object({ dns: Text, http: Text, https: Text, grpc: Text, grpc_tls: Text })),
  ports: optional(
    Type.Object({
      dns: Port,
      http: Port,
      https: Port,
      grpc: Port,
      grpc_tls: Port,
      server: Port,
      sidecar_min_port: Port,
      sidecar_max_port: Port,
      /** Ours: the admin port of the proxy of the sidecar on `sidecar_min_port`. */
      proxy_admin_min_port: Port,
    }),
  ),
  domain: Text,
  alt_domain: Text,
  recursors: TextList,
  dns_config: optional(DnsConfigSchema),
  unix_sockets: optional(Type.Object({ user: Text, group: Text, mode: Text })),
  tls: optional(Type.Object({ defaults: optional(TlsSchema), https: optional(TlsSchema), grpc: optional(TlsSchema) })),
  ...tlsFields,
  verify_incoming_https: Flag,
  http_config: optional(
    Type.Object({
      response_headers: TextMap,
      block_endpoints: TextList,
      allow_write_http_from: TextList,
      max_header_bytes: Count,
    }),
  ),
  limits: optional(
    Type.Object({
      http_max_conns_per_client: optional(Type.Integer({ minimum: -1 })),
      https_handshake_timeout: Text,
      kv_max_value_size: optional(Type.Integer({ minimum: 1 })),
      txn_max_req_len: optional(Type.Integer({ minimum: 1 })),
      /** Ours: requests and subscriptions that wait for a change at one server. */
      max_blocking_queries: optional(Type.Integer({ minimum: 1 })),
    }),
  ),
  retry_join: TextList,
  start_join: TextList,
  /** Ours: what a server asks of an agent that joins. */
  join_token: Text,
  join_token_file: Text,
  /** Ours: how long the node may be silent, and how long it stays in the catalog after that. */
  lease: optional(Type.Object({ class: Text, ttl: Text, reap_after: Text })),
  /** Consul's word for `lease.reap_after`. */
  reconnect_timeout: Text,
  disable_coordinates: Flag,
  sync_coordinate_interval_min: Text,
  sync_coordinate_rate_target: optional(Type.Number()),
  leave_on_terminate: Flag,
  skip_leave_on_interrupt: Flag,
  pid_file: Text,
  log_level: Text,
  log_json: Flag,
  log_file: Text,
  log_rotate_duration: Text,
  log_rotate_bytes: Count,
  log_rotate_max_files: optional(Type.Integer({ minimum: -1 })),
  audit: optional(AuditBlock),
  check_update_interval: Text,
  discard_check_output: Flag,
  default_intention_policy: Text,
  session_ttl_min: Text,
  default_query_time: Text,
  max_query_time: Text,
  discovery_max_stale: Text,
  enable_script_checks: Flag,
  enable_local_script_checks: Flag,
  acl: optional(AclFileSchema),
  config_entries: optional(Type.Object({ bootstrap: Definitions })),
  service: Definitions,
  services: Definitions,
  check: Definitions,
  checks: Definitions,
});

export type AgentFile = Static<typeof AgentFileSchema>;

export const agentFileValidator = Compile(AgentFileSchema);
