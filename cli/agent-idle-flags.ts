import { noteOf } from "../agent/config/keys/key-table.ts";
import type { FlagSpec } from "./flags.ts";

/** Flags of Consul's agent that change nothing here, each with the key of the configuration that it stands for. */
const keys = {
  "advertise-wan": ["string", "advertise_addr_wan"],
  "auto-reload-config": ["boolean", "auto_reload_config"],
  check_output_max_size: ["integer", "check_output_max_size"],
  "disable-host-node-id": ["boolean", "disable_host_node_id"],
  "disable-keyring-file": ["boolean", "disable_keyring_file"],
  encrypt: ["string", "encrypt"],
  "non-voting-server": ["boolean", "non_voting_server"],
  "primary-gateway": ["string", "primary_gateways"],
  protocol: ["integer", "protocol"],
  "raft-protocol": ["integer", "raft_protocol"],
  "read-replica": ["boolean", "read_replica"],
  rejoin: ["boolean", "rejoin_after_leave"],
  "retry-interval": ["string", "retry_interval"],
  "retry-interval-wan": ["string", "retry_interval_wan"],
  "retry-join-wan": ["string", "retry_join_wan"],
  "retry-max": ["integer", "retry_max"],
  "retry-max-wan": ["integer", "retry_max_wan"],
  "serf-lan-allowed-cidrs": ["string", "serf_lan_allowed_cidrs"],
  "serf-lan-bind": ["string", "serf_lan"],
  "serf-lan-port": ["integer", "ports.serf_lan"],
  "serf-wan-allowed-cidrs": ["string", "serf_wan_allowed_cidrs"],
  "serf-wan-bind": ["string", "serf_wan"],
  "serf-wan-port": ["integer", "ports.serf_wan"],
  "join-wan": ["string", "start_join_wan"],
  syslog: ["boolean", "enable_syslog"],
  ui: ["boolean", "ui"],
  "ui-content-path": ["string", "ui_config.content_path"],
  "ui-dir": ["string", "ui_dir"],
} as const satisfies Readonly<Record<string, readonly [FlagSpec["type"], string]>>;

export const idleAgentFlags: Readonly<Record<string, FlagSpec>> = Object.fromEntries(
  Object.entries(keys).map(([name, [type, key]]) => [
    name,
    { type, multiple: true, summary: `Consul's; it has no effect: ${noteOf(key)?.note ?? ""}.` },
  ]),
);

/** One sentence per flag of these that was given. */
export function idleFlagNotes(flags: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(keys)
    .filter((name) => Array.isArray(flags[name]) && flags[name].length > 0)
    .map((name) => `flag -${name} has no effect: ${idleReason(name)}`);
}

function idleReason(name: string): string {
  const entry = Object.entries(keys).find(([flag]) => flag === name);
  return entry === undefined ? "" : (noteOf(entry[1][1])?.note ?? "");
}
