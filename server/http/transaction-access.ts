import { type Access, type Authorizer, permissionDenied, type Resource } from "../../lib/acl/authorizer.ts";
import type { TransactionError, TransactionOperation, TransactionResult } from "../../lib/contract/transactions.ts";
import type { StateReader } from "../state/reader.ts";

/** What a token may not do of a transaction, and what it may not see of its results. */
export function refusedOperations(
  operations: readonly TransactionOperation[],
  authorizer: Authorizer,
  reader: Pick<StateReader, "nodeServices" | "nodeChecks">,
): readonly TransactionError[] {
  if (authorizer.isUnrestricted) return [];
  return operations.flatMap((operation, number) => {
    const [resource, access, name, isTree] = neededAccess(operation, reader) ?? [];
    if (resource === undefined || access === undefined || name === undefined) return [];
    const isAllowed = isTree ? authorizer.allowsAll(resource, access, name) : authorizer.allows(resource, access, name);
    if (isAllowed) return [];
    return [{ operation: number, message: permissionDenied(authorizer, resource, access, name).message }];
  });
}

/** What was read is filtered, as it is everywhere; what was written was allowed. */
export function visibleResults(
  results: readonly TransactionResult[],
  authorizer: Authorizer,
): readonly TransactionResult[] {
  if (authorizer.isUnrestricted) return results;
  return results.filter((result) => isVisible(result, authorizer));
}

function isVisible(result: TransactionResult, authorizer: Authorizer): boolean {
  switch (result.type) {
    case "kv":
      return authorizer.allows("key", "read", result.record.Key);
    case "node":
      return authorizer.allows("node", "read", result.record.Node);
    case "service":
      return authorizer.allows("service", "read", result.record.Service);
    case "check":
      return result.record.ServiceName === ""
        ? authorizer.allows("node", "read", result.record.Node)
        : authorizer.allows("service", "read", result.record.ServiceName);
  }
}

type Needed = readonly [Resource, Access, string, boolean];

/** Undefined: whoever may not see it gets it filtered out. */
function neededAccess(
  operation: TransactionOperation,
  reader: Pick<StateReader, "nodeServices" | "nodeChecks">,
): Needed | undefined {
  if (operation.type === "kv") return keyAccess(operation.kv);
  if (operation.verb === "get") return undefined;
  if (operation.type === "node") return ["node", "write", operation.name, false];
  if (operation.type === "service") {
    const known = reader.nodeServices(operation.node).value.find(({ ID }) => ID === operation.id);
    return ["service", "write", operation.fields?.Service ?? known?.Service ?? operation.id, false];
  }
  const known = reader.nodeChecks(operation.node).value.find(({ CheckID }) => CheckID === operation.id);
  const serviceId = operation.fields?.ServiceID ?? known?.ServiceID ?? "";
  if (serviceId === "") return ["node", "write", operation.node, false];
  const service = reader.nodeServices(operation.node).value.find(({ ID }) => ID === serviceId);
  return ["service", "write", service?.Service ?? serviceId, false];
}

/** Checks tell of a key by whether they fail, so they need the right to read it. */
function keyAccess({ verb, key }: Extract<TransactionOperation, { readonly type: "kv" }>["kv"]): Needed | undefined {
  switch (verb) {
    case "get":
    case "get-or-empty":
    case "get-tree":
      return undefined;
    case "check-index":
    case "check-session":
    case "check-not-exists":
      return ["key", "read", key, false];
    default:
      return ["key", "write", key, verb === "delete-tree"];
  }
}
