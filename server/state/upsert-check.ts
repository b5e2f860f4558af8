import type { CheckFields } from "../../lib/contract/catalog.ts";
import type { ChangeSet } from "./change-set.ts";
import { endSessionsOfCheck } from "./session-rules.ts";
import type { Tables } from "./tables.ts";
import { touchJudged } from "./touch-judged.ts";
import { upserted } from "./upsert.ts";

/** Writes a check with the name and tags of its service; sessions that depend on it end when it is critical. */
export function upsertCheck(tables: Tables, changes: ChangeSet, check: CheckFields): void {
  const service = check.ServiceID === "" ? undefined : tables.services.get(check.Node, check.ServiceID);
  const existing = tables.checks.get(check.Node, check.CheckID);
  const fields = { ...check, ServiceName: service?.Service ?? "", ServiceTags: service?.Tags ?? [] };
  const record = upserted(existing, fields, changes.index);
  if (record === undefined) return;
  tables.checks.put(changes, record);
  if (record.Status === "critical") endSessionsOfCheck(tables, changes, record);
  touchJudged(tables, changes, record);
  if (existing !== undefined && existing.ServiceID !== record.ServiceID) touchJudged(tables, changes, existing);
}
