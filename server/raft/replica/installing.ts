/**
 * A snapshot that the core asked to install: it waits until nothing is outstanding or unwritten, is then on the disk's
 * hands, and is restored from when the disk is done. The core takes no appends meanwhile and does not campaign.
 */
import { assert } from "../../../lib/base/assert.ts";
import type { SnapshotMeta } from "../core/types.ts";

export interface Installing {
  /** The snapshot that waits for the disk to be free. */
  readonly waiting: SnapshotMeta | undefined;
  /** The install has been asked for: no batch may be sealed before it is done. */
  readonly isOnDisk: boolean;
  isUnderWay(snapshot: SnapshotMeta): boolean;
  wait(snapshot: SnapshotMeta): void;
  begin(): void;
  finish(snapshot: SnapshotMeta): void;
}

export function createInstalling(): Installing {
  let current: SnapshotMeta | undefined;
  let isOnDisk = false;
  const isUnderWay = ({ index, term }: SnapshotMeta): boolean => current?.index === index && current.term === term;
  return {
    get waiting() {
      return isOnDisk ? undefined : current;
    },
    get isOnDisk() {
      return isOnDisk;
    },
    isUnderWay,
    wait(snapshot) {
      assert(current === undefined, "one snapshot is installed at a time");
      current = snapshot;
    },
    begin() {
      isOnDisk = true;
    },
    finish(snapshot) {
      assert(isOnDisk && isUnderWay(snapshot), "only the snapshot that was asked for is installed");
      current = undefined;
      isOnDisk = false;
    },
  };
}
