/**
 * One row of a state table to persist; `value` is absent for a deletion. Table and key are free of control characters, and
 * the value is plain JSON.
 */
export interface RowChange {
  readonly table: string;
  readonly key: string;
  readonly value?: unknown;
}

/** The tables that the state persists; the names are part of the format on disk. */
export const rowTables = [
  "nodes",
  "services",
  "checks",
  "virtual-ips",
  "config-entries",
  "ca-roots",
  "settings",
  "acl-tokens",
  "acl-policies",
  "acl-roles",
  "kv",
  "kv-tombstones",
  "sessions",
  "lock-delays",
  "prepared-queries",
  "user-events",
  "coordinates",
  "peerings",
  "acl-auth-methods",
  "acl-binding-rules",
  "restore-staging",
  "members",
  "withdrawals",
  "indexes",
] as const;
export type RowTable = (typeof rowTables)[number];
