import type { CheckFields, CheckRecord, NodeFields, NodeRecord, ServiceFields, ServiceRecord } from "./catalog.ts";
import type { KvOperation, KvRecord } from "./kv.ts";
import { kvReadVerbs } from "./kv.ts";

/** Operations that take effect together or not at all, in order, each seeing what those before it did. */
export const catalogVerbs = ["get", "set", "cas", "delete", "delete-cas"] as const;
export type CatalogVerb = (typeof catalogVerbs)[number];

export type TransactionOperation =
  | { readonly type: "kv"; readonly kv: KvOperation }
  /** `index` is what `cas` and `delete-cas` compare with; `fields` are complete for `set` and `cas`. */
  | {
      readonly type: "node";
      readonly verb: CatalogVerb;
      readonly name: string;
      /** Finds the node too; empty when not known. */
      readonly id: string;
      readonly index: number;
      readonly fields?: NodeFields;
    }
  | {
      readonly type: "service";
      readonly verb: CatalogVerb;
      readonly node: string;
      readonly id: string;
      readonly index: number;
      readonly fields?: ServiceFields;
    }
  | {
      readonly type: "check";
      readonly verb: CatalogVerb;
      readonly node: string;
      readonly id: string;
      readonly index: number;
      readonly fields?: CheckFields;
    };

export type TransactionResult =
  /** `hasValue`: only what was asked for with a `get` comes with its value. */
  | { readonly type: "kv"; readonly record: KvRecord; readonly hasValue: boolean }
  | { readonly type: "node"; readonly record: NodeRecord }
  | { readonly type: "service"; readonly record: ServiceRecord }
  | { readonly type: "check"; readonly record: CheckRecord };

export interface TransactionError {
  readonly operation: number;
  readonly message: string;
}

/** No errors: everything took effect. */
export interface TransactionOutcome {
  readonly results: readonly TransactionResult[];
  readonly errors: readonly TransactionError[];
}

export const maxTransactionOperations = 128;

export function isReadOnly(operation: TransactionOperation): boolean {
  if (operation.type !== "kv") return operation.verb === "get";
  return kvReadVerbs.some((verb) => verb === operation.kv.verb);
}
