import { unreachable } from "../../lib/base/assert.ts";
import type {
  AutopilotUpsert,
  CaInitialize,
  Command,
  CommandResult,
  RestoreCommit,
  RestoreRows,
} from "../../lib/contract/commands.ts";
import { applyAclCommand } from "./acl-rules.ts";
import type { ChangeSet } from "./change-set.ts";
import { deleteConfigEntry, upsertConfigEntry } from "./config-rules.ts";
import { deregister } from "./deregister.ts";
import { register } from "./register.ts";
import type { Tables } from "./tables.ts";
import { upserted } from "./upsert.ts";

/** `restore-commit` replaces the tables themselves (restore-snapshot.ts). */
type AppliedCommand = Exclude<Command, RestoreCommit>;

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
    case "autopilot-upsert":
      return upsertAutopilot(tables, changes, command);
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
    default:
      // A log written by a newer program must stop this one: skipping an entry would fork the state.
      return unreachable(command, "command");
  }
}

function upsertAutopilot(tables: Tables, changes: ChangeSet, command: AutopilotUpsert): CommandResult {
  const existing = tables.settings.autopilot();
  const { expectedIndex } = command;
  if (expectedIndex !== undefined && expectedIndex !== (existing?.ModifyIndex ?? 0))
    return { ok: true, applied: false };
  const record = upserted(existing, command.config, changes.index);
  if (record !== undefined) tables.settings.putAutopilot(changes, record);
  return { ok: true, applied: true };
}

function stageRows(tables: Tables, changes: ChangeSet, command: RestoreRows): CommandResult {
  const { restoreId, piece, rows } = command;
  if (tables.staging.add(changes, { restoreId, piece, rows })) return { ok: true, applied: true };
  const message = "another restore has begun meanwhile: nothing was changed";
  return { ok: false, code: "CONFLICT", message };
}

function initializeCa(tables: Tables, changes: ChangeSet, command: CaInitialize): CommandResult {
  if (tables.ca.active() !== undefined) return { ok: true, applied: false };
  const record = upserted(undefined, command.root, changes.index);
  if (record !== undefined) tables.ca.put(changes, record);
  return { ok: true, applied: true };
}
