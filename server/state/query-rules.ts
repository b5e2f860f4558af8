import type { CommandResult, QueryDelete, QueryUpsert } from "../../lib/contract/commands.ts";
import type { PreparedQueryFields } from "../../lib/contract/prepared-queries.ts";
import type { ChangeSet } from "./change-set.ts";
import { nameProblem, type Refusal, refuse } from "./name-rules.ts";
import { compareText } from "./order.ts";
import type { Tables } from "./tables.ts";
import { upserted } from "./upsert.ts";

/** Creates or replaces a query. No two have one name, and its session is there. Texts are Consul's. */
export function upsertQuery(tables: Tables, changes: ChangeSet, { query, isNew }: QueryUpsert): CommandResult {
  const existing = tables.queries.get(query.ID);
  const problem = nameProblem("ID", query.ID) ?? sessionProblem(tables, query) ?? aliasProblem(tables, query);
  if (problem !== undefined) return problem;
  if (isNew && existing !== undefined) return refuse("CONFLICT", `query ${query.ID} exists already`);
  if (!isNew && existing === undefined)
    return refuse("NOT_FOUND", `Cannot modify non-existent prepared query: '${query.ID}'`);
  const record = upserted<PreparedQueryFields>(existing, query, changes.index);
  if (record !== undefined) tables.queries.put(changes, record);
  return { ok: true, applied: true };
}

export function deleteQuery(tables: Tables, changes: ChangeSet, { id }: QueryDelete): CommandResult {
  const existing = tables.queries.get(id);
  if (existing === undefined) return refuse("NOT_FOUND", "Query not found");
  tables.queries.remove(changes, existing);
  return { ok: true, applied: true };
}

/** Queries that a session holds go with it. */
export function deleteQueriesOfSession(tables: Tables, changes: ChangeSet, session: string): void {
  const held = [...tables.queries.ofSession(session)].sort((a, b) => compareText(a.ID, b.ID));
  for (const query of held) tables.queries.remove(changes, query);
}

function sessionProblem(tables: Tables, { Session }: PreparedQueryFields): Refusal | undefined {
  if (Session === "" || tables.sessions.get(Session) !== undefined) return undefined;
  return refuse("INVALID_ARGUMENT", `invalid session "${Session}"`);
}

function aliasProblem(tables: Tables, { ID, Name, Template }: PreparedQueryFields): Refusal | undefined {
  if (Name !== "") {
    const badName = nameProblem("Name", Name);
    if (badName !== undefined) return badName;
    // Who asks by a name must not get the query that has it as its ID.
    if (tables.queries.get(Name) !== undefined)
      return refuse("CONFLICT", `name "${Name}" aliases an existing query ID`);
  }
  const other = Template === undefined ? tables.queries.named(Name) : tables.queries.templateNamed(Name);
  if (other === undefined || other.ID === ID) return undefined;
  const what = Template === undefined ? "name" : "query template with name";
  return refuse(
    "CONFLICT",
    `${what} "${Name}" aliases an existing query ${Template === undefined ? "name" : "template name"}`,
  );
}
