import { unreachable } from "../../lib/base/assert.ts";
import type {
  AuthorityConfigure,
  AutopilotUpsert,
  Command,
  CommandResult,
  CoordinatesUpdate,
  RestoreCommit,
  RestoreRows,
  TransactionCommand,
} from "../../lib/contract/commands.ts";
import type { CoordinateFields } from "../../lib/contract/coordinates.ts";
import { applyAclLoginCommand } from "./acl-login-rules.ts";
import { applyAclCommand } from "./acl-rules.ts";
import { initializeCa, pruneCa, rotateCa } from "./ca-rules.ts";
import type { ChangeSet } from "./change-set.ts";
import { deleteConfigEntry, upsertConfigEntry } from "./config-rules.ts";
import { deregister } from "./deregister.ts";
import { changeMembers } from "./member-rules.ts";
import { register } from "./register.ts";
import { fireEvent } from "./event-table.ts";
import { applyKvCommand, endLockDelays, expireKv, reapKv } from "./kv-rules.ts";
import { deletePeering, upsertPeering } from "./peering-table.ts";
import { deleteQuery, upsertQuery } from "./query-rules.ts";
import { createSession, destroySessions } from "./session-rules.ts";
import type { Tables } from "./tables.ts";
import { upserted } from "./upsert.ts";
import { setManualIps } from "./virtual-ips.ts";

/** `restore-commit` replaces the tables themselves (restore-snapshot.ts); `txn` comes with results (transaction-rules.ts). */
type AppliedCommand = Exclude<Command, RestoreCommit | TransactionCommand>;

/**
 * What each command means. Pure: it reads the tables and the command, nothing else, so every server that applies the
 * same log holds the same tables. A refused command has changed nothing.
 */
export function applyCommand(tables: Tables, changes: ChangeSet, command: AppliedCommand): CommandResult {
  switch (command.type) {
    case "register":
      return register(tables, changes, command);
    case "deregister":
      return deregister(tables, changes, command);
    case "config-entry-upsert":
      return upsertConfigEntry(tables, changes, command);
    case "config-entry-delete":
      return deleteConfigEntry(tables, changes, command);
    case "ca-initialize":
      return initializeCa(tables, changes, command);
    case "ca-rotate":
      return rotateCa(tables, changes, command);
    case "ca-prune":
      return pruneCa(tables, changes, command);
    case "autopilot-upsert":
      return upsertAutopilot(tables, changes, command);
    case "authority-configure":
      return configureAuthority(tables, changes, command);
    case "kv":
      return applyKvCommand(tables, changes, command);
    case "kv-expire":
      return expireKv(tables, changes, command);
    case "kv-reap":
      return reapKv(tables, changes, command);
    case "lock-delays-end":
      return endLockDelays(tables, changes, command);
    case "session-create":
      return createSession(tables, changes, command);
    case "session-destroy":
      return destroySessions(tables, changes, command);
    case "query-upsert":
      return upsertQuery(tables, changes, command);
    case "query-delete":
      return deleteQuery(tables, changes, command);
    case "event-fire":
      return fireEvent(tables, changes, command);
    case "coordinate-update":
      return { ok: true, applied: updateCoordinate(tables, changes, command.coordinate) };
    case "coordinates-update":
      return updateCoordinates(tables, changes, command);
    case "peering-upsert":
      return upsertPeering(tables, changes, command);
    case "peering-delete":
      return deletePeering(tables, changes, command);
    case "members":
      return changeMembers(tables, changes, command);
    case "virtual-ip-manual":
      return setManualIps(tables, changes, command);
    case "restore-rows":
      return stageRows(tables, changes, command);
    case "acl-initialize":
    case "acl-bootstrap":
    case "acl-token-upsert":
    case "acl-token-delete":
    case "acl-policy-upsert":
    case "acl-policy-delete":
    case "acl-role-upsert":
    case "acl-role-delete":
      return applyAclCommand(tables, changes, command);
    case "acl-auth-method-upsert":
    case "acl-auth-method-delete":
    case "acl-binding-rule-upsert":
    case "acl-binding-rule-delete":
    case "acl-login":
      return applyAclLoginCommand(tables, changes, command);
    default:
      // A log written by a newer program must stop this one: skipping an entry would fork the state.
      return unreachable(command, "command");
  }
}

function upsertAutopilot(tables: Tables, changes: ChangeSet, command: AutopilotUpsert): CommandResult {
  const existing = tables.settings.autopilot.get();
  const { expectedIndex } = command;
  if (expectedIndex !== undefined && expectedIndex !== (existing?.ModifyIndex ?? 0))
    return { ok: true, applied: false };
  const record = upserted(existing, command.config, changes.index);
  if (record !== undefined) tables.settings.autopilot.put(changes, record);
  return { ok: true, applied: true };
}

function configureAuthority(tables: Tables, changes: ChangeSet, { config }: AuthorityConfigure): CommandResult {
  const record = upserted(tables.settings.authority.get(), config, changes.index);
  if (record !== undefined) tables.settings.authority.put(changes, record);
  return { ok: true, applied: true };
}

function updateCoordinates(tables: Tables, changes: ChangeSet, { coordinates }: CoordinatesUpdate): CommandResult {
  const applied = coordinates.filter((coordinate) => updateCoordinate(tables, changes, coordinate));
  return { ok: true, applied: applied.length > 0 };
}

/** False for a node that is not there. */
function updateCoordinate(tables: Tables, changes: ChangeSet, coordinate: CoordinateFields): boolean {
  if (tables.nodes.get(coordinate.Node) === undefined) return false;
  const existing = tables.coordinates.get(coordinate.Node, coordinate.Segment);
  const record = upserted(existing, coordinate, changes.index);
  if (record !== undefined) tables.coordinates.put(changes, record);
  return true;
}

function stageRows(tables: Tables, changes: ChangeSet, command: RestoreRows): CommandResult {
  const { restoreId, piece, rows } = command;
  if (tables.staging.add(changes, { restoreId, piece, rows })) return { ok: true, applied: true };
  const message = "another restore has begun meanwhile: nothing was changed";
  return { ok: false, code: "CONFLICT", message };
}
