import { assert } from "../../lib/base/assert.ts";
import { aclBootstrapKey } from "./acl-tables.ts";
import { eventRowKey } from "./event-table.ts";
import { tombstoneRowKey } from "./graveyard.ts";
import { kvRowKey } from "./kv-row-key.ts";
import { withinNode } from "./order.ts";
import type { RowChange, RowTable } from "./row-change.ts";
import { stagingKey } from "./staging-table.ts";
import type { Tables } from "./tables.ts";
import { watchKeys } from "./watch-keys.ts";
import { withdrawalKey } from "./withdrawal-table.ts";

/**
 * Rows as they come back from the disk. Their checksums have been verified, so they are what `ChangeSet.put` was given: a
 * row of another shape is a program error, and the store's format version is what tells programs apart.
 */
export function loadRow(tables: Tables, row: RowChange): void {
  assert(isRowTable(row.table), `row of an unknown table ${row.table}`);
  loaders[row.table](tables, row.key, row.value);
}

type Loader = (tables: Tables, key: string, value: unknown) => void;

const loaders: Readonly<Record<RowTable, Loader>> = {
  nodes: (tables, _key, value) => tables.nodes.load(trusted(value)),
  services: (tables, key, value) => tables.services.load(trusted(value), key),
  checks: (tables, key, value) => tables.checks.load(trusted(value), key),
  "virtual-ips": (tables, _key, value) => tables.virtualIps.load(trusted(value)),
  "config-entries": (tables, _key, value) => tables.configEntries.load(trusted(value)),
  "ca-roots": (tables, _key, value) => tables.ca.load(trusted(value)),
  settings(tables, key, value) {
    const { autopilot, authority } = tables.settings;
    if (key === aclBootstrapKey) return tables.acl.bootstrap.load(trusted(value));
    if (key === autopilot.key) return autopilot.load(trusted(value));
    assert(key === authority.key, `there is no setting ${key}`);
    authority.load(trusted(value));
  },
  kv: (tables, _key, value) => tables.kv.load(trusted(value)),
  "kv-tombstones": (tables, _key, value) => tables.kv.loadTombstone(trusted(value)),
  sessions: (tables, _key, value) => tables.sessions.load(trusted(value)),
  "lock-delays": (tables, _key, value) => tables.lockDelays.load(trusted(value)),
  "prepared-queries": (tables, _key, value) => tables.queries.load(trusted(value)),
  "user-events": (tables, _key, value) => tables.events.load(trusted(value)),
  coordinates: (tables, _key, value) => tables.coordinates.load(trusted(value)),
  peerings: (tables, _key, value) => tables.peerings.load(trusted(value)),
  "acl-tokens": (tables, _key, value) => tables.acl.tokens.load(trusted(value)),
  "acl-policies": (tables, _key, value) => tables.acl.policies.load(trusted(value)),
  "acl-roles": (tables, _key, value) => tables.acl.roles.load(trusted(value)),
  "acl-auth-methods": (tables, _key, value) => tables.aclLogin.authMethods.load(trusted(value)),
  "acl-binding-rules": (tables, _key, value) => tables.aclLogin.bindingRules.load(trusted(value)),
  "restore-staging": (tables, _key, value) => tables.staging.load(trusted(value)),
  members: (tables, _key, value) => tables.members.load(trusted(value)),
  withdrawals: (tables, _key, value) => tables.withdrawals.load(trusted(value)),
  indexes(tables, key, value) {
    assert(typeof value === "number", `the index of ${key} is not a number`);
    tables.indexes.load(key, value);
  },
};

function isRowTable(name: string): name is RowTable {
  return Object.hasOwn(loaders, name);
}

/** The decoder of rows: the checksum over key and value has just been verified, and we wrote them. */
function trusted<T>(value: unknown): T {
  assert(typeof value === "object" && value !== null, "a row of records holds no record");
  return value as T;
}

/** Every row, table by table, each table sorted by key. */
export function* dumpRows(tables: Tables): Iterable<RowChange> {
  yield* sorted("nodes", tables.nodes.all(), (node) => node.Node);
  yield* sorted("services", tables.services.all(), (service) => withinNode(service.Node, service.ID));
  yield* sorted("checks", tables.checks.all(), (check) => withinNode(check.Node, check.CheckID));
  yield* sorted("virtual-ips", tables.virtualIps.all(), (record) => record.Service);
  yield* sorted("config-entries", tables.configEntries.all(), (entry) => watchKeys.configEntry(entry.Kind, entry.Name));
  yield* sorted("ca-roots", tables.ca.all(), (root) => root.id);
  yield* sorted("coordinates", tables.coordinates.all(), (record) => withinNode(record.Node, record.Segment));
  for (const setting of [tables.settings.authority, tables.settings.autopilot]) {
    const value = setting.get();
    if (value !== undefined) yield { table: "settings", key: setting.key, value };
  }
  yield* sorted("kv", tables.kv.all(), (record) => kvRowKey(record.Key));
  yield* sorted("kv-tombstones", tables.kv.tombstones(), tombstoneRowKey);
  yield* sorted("sessions", tables.sessions.all(), (session) => session.ID);
  yield* sorted("lock-delays", tables.lockDelays.all(), (delay) => kvRowKey(delay.key));
  yield* sorted("prepared-queries", tables.queries.all(), (query) => query.ID);
  yield* sorted("user-events", tables.events.all(), eventRowKey);
  yield* sorted("peerings", tables.peerings.all(), (peering) => peering.Name);
  const bootstrap = tables.acl.bootstrap.get();
  if (bootstrap !== undefined) yield { table: "settings", key: aclBootstrapKey, value: bootstrap };
  yield* sorted("acl-tokens", tables.acl.tokens.all(), (token) => token.AccessorID);
  yield* sorted("acl-policies", tables.acl.policies.all(), (policy) => policy.ID);
  yield* sorted("acl-roles", tables.acl.roles.all(), (role) => role.ID);
  yield* sorted("acl-auth-methods", tables.aclLogin.authMethods.all(), (method) => method.Name);
  yield* sorted("acl-binding-rules", tables.aclLogin.bindingRules.all(), (rule) => rule.ID);
  yield* sorted("restore-staging", tables.staging.all(), stagingKey);
  yield* sorted("members", tables.members.all(), (member) => member.Node);
  yield* sorted("withdrawals", tables.withdrawals.all(), withdrawalKey);
  for (const [key, index] of [...tables.indexes.entries()].sort(([a], [b]) => (a < b ? -1 : 1))) {
    yield { table: "indexes", key, value: index };
  }
}

function sorted<T>(table: RowTable, records: Iterable<T>, keyOf: (record: T) => string): RowChange[] {
  return [...records]
    .map((record) => ({ table, key: keyOf(record), value: record }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
}
