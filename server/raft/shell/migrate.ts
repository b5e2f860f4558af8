/**
 * Takes over a directory that a single-server release wrote (format 1): its rows, with the entries behind them applied,
 * become the state that this server's log begins with, in one batch. A crash leaves the old database or the new one. For
 * this, and nothing else, log/recovery.ts and log/data-layout.ts still know format 1.
 */
import type { Command } from "../../../lib/contract/commands.ts";
import { formatVersion as oldVersion, identityKey, parseIdentity } from "../../log/data-layout.ts";
import type { RangedStore } from "../../log/durable-store.ts";
import { recover } from "../../log/recovery.ts";
import { unseal } from "../../log/sealed-value.ts";
import type { NodeId } from "../core/types.ts";
import type { Row } from "../replica/replica-api.ts";
import type { ExpectedIdentity } from "./recover-log.ts";
import { noMembers, writeSeed } from "./seed-store.ts";

export interface MigrationOptions {
  readonly store: RangedStore;
  readonly directory: string;
  readonly expected: ExpectedIdentity;
  readonly nodeId: NodeId;
  readonly address: string;
  /** What applying these commands, in order, makes of those rows. */
  readonly replay: (state: {
    readonly appliedIndex: number;
    readonly rows: readonly Row[];
    readonly entries: readonly { readonly index: number; readonly command: Command }[];
  }) => readonly Row[];
}

/** True when there was something to take over. Rejects as opening does when the old data are damaged or not ours. */
export async function migrateSingleServer(options: MigrationOptions): Promise<boolean> {
  const { store, nodeId } = options;
  if (!(await isOldFormat(store))) return false;
  const { identity, progress, rows, replay } = await recover(store, options);
  if (identity === undefined) return false;
  const state = options.replay({ appliedIndex: progress.appliedIndex, rows, entries: replay });
  const keys: string[] = [];
  await store.scan((key) => keys.push(key));
  const membership = { ...noMembers, voters: [nodeId], addresses: { [nodeId]: options.address } };
  await writeSeed(
    store,
    {
      identity: { clusterId: identity.clusterId, nodeId, datacenter: identity.datacenter },
      snapshot: { index: progress.lastIndex, term: 1, membership },
      rows: state,
    },
    keys,
  );
  return true;
}

async function isOldFormat(store: RangedStore): Promise<boolean> {
  const view = store.view();
  try {
    for await (const group of view.read({ from: identityKey, before: `${identityKey}~` })) {
      for (const [key, bytes] of group) {
        const opened = unseal(key, bytes);
        if (opened.ok && parseIdentity(opened.value)?.formatVersion === oldVersion) return true;
      }
    }
    return false;
  } finally {
    await view.close();
  }
}
