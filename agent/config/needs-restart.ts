import { isDeepStrictEqual } from "node:util";
import { kvLimitKey, type RequestLimits, txnLimitKey } from "../../lib/contract/request-limits.ts";
import type { AgentOptions } from "./agent-options.ts";

/** Options that follow a reload, all of them or in part, and what is looked at more closely below. */
const followed = new Set<string>([
  "services",
  "checks",
  "logLevel",
  "edge",
  "grpc",
  "joinToken",
  "acl",
  "dns",
  "discardsCheckOutput",
  "requests",
]);

/** What differs between two readings of the configuration and takes effect only when the agent starts again, by key. */
export function needsRestart(running: AgentOptions, next: AgentOptions): string[] {
  const plain = Object.entries(next)
    .filter(
      ([name, value]) => !followed.has(name) && !isDeepStrictEqual(value, new Map(Object.entries(running)).get(name)),
    )
    .map(([name]) => keyNames.get(name) ?? name);
  const { edge } = running;
  const withoutTokens = { ...next.acl, tokens: running.acl.tokens };
  return [
    ...plain,
    ...(isDeepStrictEqual(running.acl, withoutTokens) ? [] : ["acl, apart from acl.tokens"]),
    ...(isDeepStrictEqual(edge.listeners, next.edge.listeners)
      ? []
      : ["the listeners (ports, addresses, client_addr)"]),
    ...(isDeepStrictEqual(atStart(running.grpc), atStart(next.grpc)) ? [] : ["ports.grpc, ports.grpc_tls or tls.grpc"]),
    ...requestKeys.flatMap(([name, key]) => (next.requests[name] === running.requests[name] ? [] : [key])),
    ...((edge.maxHeaderBytes ?? 0) === (next.edge.maxHeaderBytes ?? 0) ? [] : ["http_config.max_header_bytes"]),
    ...(isDeepStrictEqual(edge.socketRights, next.edge.socketRights) ? [] : ["unix_sockets"]),
  ];
}

/** Of gRPC: where it listens and what TLS asks of clients. The files of the certificate are read again. */
function atStart({ listeners, tls }: AgentOptions["grpc"]): object {
  return { listeners, hasTls: tls !== undefined, isClientVerified: tls?.isClientVerified, minVersion: tls?.minVersion };
}

/** What is in force once `next` has been read under a running agent, as far as the options tell of it. */
export function afterReload(running: AgentOptions, next: AgentOptions): AgentOptions {
  return {
    ...running,
    logLevel: next.logLevel,
    discardsCheckOutput: next.discardsCheckOutput,
    // The name of the datacenter needs a restart.
    dns: { ...next.dns, datacenter: running.dns.datacenter },
  };
}

const requestKeys: readonly (readonly [keyof RequestLimits, string])[] = [
  ["kvMaxValueBytes", kvLimitKey],
  ["txnMaxBytes", txnLimitKey],
  ["sessionTtlMinMs", "session_ttl_min"],
  ["defaultQueryMs", "default_query_time"],
  ["maxQueryMs", "max_query_time"],
  ["discoveryMaxStaleMs", "discovery_max_stale"],
];

/** Where the name of the option is not the key's in another spelling. */
const keyNames = new Map([
  ["isServer", "server"],
  ["datacenter", "datacenter"],
  ["nodeName", "node_name"],
  ["nodeId", "node_id"],
  ["nodeMeta", "node_meta"],
  ["dataDir", "data_dir"],
  ["bindAddress", "bind_addr"],
  ["advertiseAddress", "advertise_addr"],
  ["clientAddress", "client_addr"],
  ["clientAddresses", "client_addr"],
  ["httpPort", "ports.http"],
  ["dnsAddress", "addresses.dns"],
  ["dnsPort", "ports.dns"],
  ["isDnsOptional", "ports.dns"],
  ["rpcPort", "ports.server"],
  ["bootstrapExpect", "bootstrap_expect"],
  ["servers", "retry_join"],
  ["sidecarPorts", "ports.sidecar_min_port"],
  ["adminMinPort", "ports.proxy_admin_min_port"],
  ["coordinates", "disable_coordinates, sync_coordinate_interval_min or sync_coordinate_rate_target"],
  ["leaveOnTerminate", "leave_on_terminate"],
  ["isLogJson", "log_json"],
  ["checkUpdateIntervalMs", "check_update_interval"],
  ["defaultIntentionPolicy", "default_intention_policy"],
  ["scripts", "enable_script_checks or enable_local_script_checks"],
  ["bootstrapEntries", "config_entries.bootstrap"],
  ["process", "log_file, pid_file or skip_leave_on_interrupt"],
]);
