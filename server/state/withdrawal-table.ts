import type { ChangeSet } from "./change-set.ts";
import { withinNode } from "./order.ts";

/**
 * What an operator has removed from a node by force although the node's agent still has it. The agent leaves it out of its
 * repairs until it is registered anew on purpose. Nobody waits for a change of these, so they have no watch key.
 */
export interface Withdrawal {
  readonly Node: string;
  readonly Kind: "service" | "check";
  /** The service's or the check's id. */
  readonly ID: string;
}

export interface WithdrawalTable {
  has(node: string, kind: Withdrawal["Kind"], id: string): boolean;
  onNode(node: string): readonly Withdrawal[];
  all(): Iterable<Withdrawal>;
  add(changes: ChangeSet, withdrawal: Withdrawal): void;
  remove(changes: ChangeSet, node: string, kind: Withdrawal["Kind"], id: string): void;
  load(withdrawal: Withdrawal): void;
}

export function createWithdrawalTable(): WithdrawalTable {
  const byNode = new Map<string, Map<string, Withdrawal>>();
  const load = (withdrawal: Withdrawal): void => {
    const ofNode = byNode.get(withdrawal.Node) ?? new Map<string, Withdrawal>();
    byNode.set(withdrawal.Node, ofNode.set(keyWithin(withdrawal.Kind, withdrawal.ID), withdrawal));
  };
  return {
    has: (node, kind, id) => byNode.get(node)?.has(keyWithin(kind, id)) ?? false,
    onNode: (node) => [...(byNode.get(node)?.values() ?? [])],
    *all() {
      for (const ofNode of byNode.values()) yield* ofNode.values();
    },
    load,
    add(changes, withdrawal) {
      if (byNode.get(withdrawal.Node)?.has(keyWithin(withdrawal.Kind, withdrawal.ID)) === true) return;
      load(withdrawal);
      changes.put("withdrawals", withdrawalKey(withdrawal), withdrawal);
    },
    remove(changes, node, kind, id) {
      const ofNode = byNode.get(node);
      const withdrawal = ofNode?.get(keyWithin(kind, id));
      if (ofNode === undefined || withdrawal === undefined) return;
      ofNode.delete(keyWithin(kind, id));
      if (ofNode.size === 0) byNode.delete(node);
      changes.remove("withdrawals", withdrawalKey(withdrawal));
    },
  };
}

export function withdrawalKey({ Node, Kind, ID }: Withdrawal): string {
  return withinNode(Node, keyWithin(Kind, ID));
}

function keyWithin(kind: Withdrawal["Kind"], id: string): string {
  return `${kind}/${id}`;
}
