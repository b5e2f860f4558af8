import type { NodeRecord } from "../../lib/contract/catalog.ts";
import type { CommandResult } from "../../lib/contract/commands.ts";
import type { TransactionOperation, TransactionResult } from "../../lib/contract/transactions.ts";
import type { ChangeSet } from "./change-set.ts";
import { deregister } from "./deregister.ts";
import { type Refusal, refuse } from "./name-rules.ts";
import { register } from "./register.ts";
import type { Tables } from "./tables.ts";
import type { OperationOutcome } from "./transaction-rules.ts";

/** Nodes, services and checks within a transaction. Texts are Consul's. */
type NodeOperation = Extract<TransactionOperation, { readonly type: "node" }>;
type ServiceOperation = Extract<TransactionOperation, { readonly type: "service" }>;
type CheckOperation = Extract<TransactionOperation, { readonly type: "check" }>;

export function applyNodeOperation(tables: Tables, changes: ChangeSet, operation: NodeOperation): OperationOutcome {
  const { name, id } = operation;
  return applyOperation(operation, {
    what: `node ${JSON.stringify(name)}`,
    find: () => tables.nodes.get(name) ?? (id === "" ? undefined : tables.nodes.byId(id)),
    result: (record) => ({ type: "node", record }),
    set(node) {
      return register(tables, changes, { type: "register", node, skipNodeUpdate: false, checks: [] });
    },
    remove: (node) => deregister(tables, changes, { type: "deregister", node: node.Node }),
  });
}

export function applyServiceOperation(
  tables: Tables,
  changes: ChangeSet,
  operation: ServiceOperation,
): OperationOutcome {
  const { node: name, id } = operation;
  return applyOperation(operation, {
    what: `service ${JSON.stringify(id)} on node ${JSON.stringify(name)}`,
    find: () => tables.services.get(name, id),
    result: (record) => ({ type: "service", record }),
    set: (service) =>
      onNode(tables, name, (node) =>
        register(tables, changes, { type: "register", node, skipNodeUpdate: true, service, checks: [] }),
      ),
    remove: () => deregister(tables, changes, { type: "deregister", node: name, serviceId: id }),
  });
}

export function applyCheckOperation(tables: Tables, changes: ChangeSet, operation: CheckOperation): OperationOutcome {
  const { node: name, id } = operation;
  return applyOperation(operation, {
    what: `check ${JSON.stringify(id)} on node ${JSON.stringify(name)}`,
    find: () => tables.checks.get(name, id),
    result: (record) => ({ type: "check", record }),
    set: (check) =>
      onNode(tables, name, (node) =>
        register(tables, changes, { type: "register", node, skipNodeUpdate: true, checks: [check] }),
      ),
    remove: () => deregister(tables, changes, { type: "deregister", node: name, checkId: id }),
  });
}

interface Subject<Fields, Record> {
  /** As errors name it. */
  readonly what: string;
  readonly find: () => Record | undefined;
  readonly result: (record: Record) => TransactionResult;
  readonly set: (fields: Fields) => CommandResult;
  readonly remove: (record: Record) => CommandResult;
}

function applyOperation<Fields, Record extends { readonly ModifyIndex: number }>(
  operation: {
    readonly verb: NodeOperation["verb"];
    readonly index: number;
    readonly fields?: Fields;
  },
  subject: Subject<Fields, Record>,
): OperationOutcome {
  const { verb, index, fields } = operation;
  const { what } = subject;
  const existing = subject.find();
  switch (verb) {
    case "get":
      return existing === undefined ? refuse("NOT_FOUND", `${what} doesn't exist`) : found(subject.result(existing));
    case "delete-cas":
      if (existing === undefined || existing.ModifyIndex !== index) {
        return refuse("CONFLICT", `failed to delete ${what}, index is stale`);
      }
      return withoutResult(subject.remove(existing));
    case "delete":
      return existing === undefined ? { ok: true, results: [] } : withoutResult(subject.remove(existing));
    default: {
      if (verb === "cas" && index !== (existing?.ModifyIndex ?? 0)) {
        return refuse("CONFLICT", `failed to set ${what}, index is stale`);
      }
      if (fields === undefined) return refuse("INVALID_ARGUMENT", `${what} has no fields to set`);
      const written = subject.set(fields);
      if (!written.ok) return written;
      const record = subject.find();
      return record === undefined ? { ok: true, results: [] } : found(subject.result(record));
    }
  }
}

/** What is set on a node needs the node. */
function onNode(tables: Tables, name: string, set: (node: NodeRecord) => CommandResult): CommandResult {
  const node = tables.nodes.get(name);
  return node === undefined ? missingNode : set(node);
}

const missingNode: Refusal = refuse("NOT_FOUND", "Missing node registration");

function found(result: TransactionResult): OperationOutcome {
  return { ok: true, results: [result] };
}

function withoutResult(result: CommandResult): OperationOutcome {
  return result.ok ? { ok: true, results: [] } : result;
}
