import { type AclLoginTables, createAclLoginTables } from "./acl-login-tables.ts";
import { type AclTables, createAclTables } from "./acl-tables.ts";
import { type CaTable, createCaTable } from "./ca-table.ts";
import { type CheckTable, createCheckTable } from "./check-table.ts";
import { type ConfigEntryTable, createConfigEntryTable } from "./config-entry-table.ts";
import { createEventTable, type EventTable } from "./event-table.ts";
import { type CoordinateTable, createCoordinateTable } from "./coordinate-table.ts";
import { createIndexTable, type IndexTable } from "./index-table.ts";
import { createKvTable, type KvTable } from "./kv-table.ts";
import { createLockDelayTable, type LockDelayTable } from "./lock-delay-table.ts";
import { createMemberTable, type MemberTable } from "./member-table.ts";
import { createNodeTable, type NodeTable } from "./node-table.ts";
import { createPeeringTable, type PeeringTable } from "./peering-table.ts";
import { createQueryTable, type QueryTable } from "./query-table.ts";
import { createSessionTable, type SessionTable } from "./session-table.ts";
import { createSettingsTable, type SettingsTable } from "./settings-table.ts";
import { createSharedParts } from "./shared-parts.ts";
import { createStagingTable, type StagingTable } from "./staging-table.ts";
import { createServiceTable, type ServiceTable } from "./service-table.ts";
import { createWithdrawalTable, type WithdrawalTable } from "./withdrawal-table.ts";
import { createVirtualIpTable, type VirtualIpTable } from "./virtual-ip-table.ts";

/** Everything that the state holds. Each table keeps its own secondary indexes and moves its own change indexes. */
export interface Tables {
  readonly indexes: IndexTable;
  readonly nodes: NodeTable;
  readonly services: ServiceTable;
  readonly checks: CheckTable;
  readonly virtualIps: VirtualIpTable;
  readonly configEntries: ConfigEntryTable;
  readonly coordinates: CoordinateTable;
  readonly ca: CaTable;
  readonly settings: SettingsTable;
  readonly kv: KvTable;
  readonly sessions: SessionTable;
  readonly lockDelays: LockDelayTable;
  readonly queries: QueryTable;
  readonly events: EventTable;
  readonly peerings: PeeringTable;
  readonly staging: StagingTable;
  readonly members: MemberTable;
  readonly withdrawals: WithdrawalTable;
  readonly acl: AclTables;
  readonly aclLogin: AclLoginTables;
}

/** `tables` are those of `next` from here on, for everybody who holds them: nobody keeps one table of them aside. */
export function replaceTables(tables: Tables, next: Tables): void {
  Object.assign(tables, next);
}

export function createTables(): Tables {
  const indexes = createIndexTable();
  const parts = createSharedParts();
  return {
    indexes,
    nodes: createNodeTable(indexes),
    services: createServiceTable(indexes, parts),
    checks: createCheckTable(indexes, parts),
    virtualIps: createVirtualIpTable(indexes),
    configEntries: createConfigEntryTable(indexes),
    coordinates: createCoordinateTable(indexes),
    ca: createCaTable(indexes),
    settings: createSettingsTable(indexes),
    kv: createKvTable(indexes),
    sessions: createSessionTable(indexes),
    lockDelays: createLockDelayTable(indexes),
    queries: createQueryTable(indexes),
    events: createEventTable(indexes),
    peerings: createPeeringTable(indexes),
    staging: createStagingTable(),
    members: createMemberTable(indexes),
    withdrawals: createWithdrawalTable(),
    acl: createAclTables(indexes),
    aclLogin: createAclLoginTables(indexes),
  };
}
