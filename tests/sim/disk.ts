import type { EventHeap } from "./event-heap.ts";
import { DiskImage, type DiskWrite } from "./disk-image.ts";
import type { Rng } from "./random.ts";

/** Times in microseconds. */
export interface DiskOptions {
  readonly syncMeanUs: number;
  readonly writeMeanUs: number;
  /** A crash forgets writes that the disk had promised to keep. Nothing but votes can be trusted then. */
  readonly isLying: boolean;
}

/** What a crash does besides losing what was not synced. */
export type CrashDamage = "none" | "drop-middle" | "flip";

/**
 * A disk under a database with atomic, ordered writes. A synced write and all before it survive a crash; of the others a
 * suffix is lost. A write that was under way may have happened.
 */
export interface Disk {
  /** What has been written and would be read now; a crash may take it back. */
  latest(): DiskImage;
  /** What survives any crash (of an honest disk). */
  readonly durable: DiskImage;
  write(write: DiskWrite, isSynced: boolean, onDone: () => void, onError: (message: string) => void): void;
  crash(damage: CrashDamage): void;
  /** The next write fails; whether it happened is unknown. */
  failNext(): void;
  /** Nothing is finished for so long. */
  stall(durationUs: number): void;
  /** All latencies times `factor`. */
  slow(factor: number): void;
  /** No more faults. */
  calm(): void;
}

const dropWindow = 8;

export function createDisk(setup: {
  readonly heap: EventHeap;
  readonly rng: Rng;
  readonly options: DiskOptions;
  readonly seed: ConstructorParameters<typeof DiskImage>[0];
}): Disk {
  const { heap, rng, options, seed } = setup;
  let durable = new DiskImage(seed);
  /** Written but not yet synced, oldest first. */
  let unsynced: DiskWrite[] = [];
  let underWay: { readonly write: DiskWrite; readonly isSynced: boolean } | undefined;
  /** Everything ever made durable: only a lying disk needs to go back. */
  const history: DiskWrite[] = [];
  let recent: DiskWrite[] = [];
  let epoch = 0;
  let stalledUntilUs = 0;
  let factor = 1;
  let isFailing = false;

  const makeDurable = (): void => {
    for (const write of unsynced) {
      durable.apply(write);
      recent.push(write);
      if (options.isLying) history.push(write);
    }
    recent = recent.slice(-dropWindow);
    unsynced = [];
  };

  const forgetPromises = (): void => {
    history.length -= rng.below(Math.min(history.length, 30) + 1);
    const { term, vote } = durable.hardState;
    durable = new DiskImage(seed);
    for (const write of history) durable.apply(write);
    // A second copy of term and vote, elsewhere and synced when they change, is what a server relies on here.
    durable.restoreHardState({ term, vote, commit: Math.min(durable.hardState.commit, durable.lastIndex) });
  };

  return {
    get durable() {
      return durable;
    },
    latest() {
      if (unsynced.length === 0) return durable;
      const image = cloneImage(durable);
      for (const write of unsynced) image.apply(write);
      return image;
    },
    write(write, isSynced, onDone, onError) {
      underWay = { write, isSynced };
      const startedIn = epoch;
      const latencyUs = (30 + rng.exponential(isSynced ? options.syncMeanUs : options.writeMeanUs)) * factor;
      const delayUs = Math.max(stalledUntilUs - heap.nowUs(), 0) + latencyUs;
      const finish = (): void => {
        if (startedIn !== epoch) return;
        const nowUs = heap.nowUs();
        if (stalledUntilUs > nowUs) {
          heap.schedule(stalledUntilUs - nowUs, finish);
          return;
        }
        if (isFailing) {
          isFailing = false;
          onError("simulated I/O error");
          return;
        }
        underWay = undefined;
        unsynced.push(write);
        if (isSynced) makeDurable();
        onDone();
      };
      heap.schedule(delayUs, finish);
    },
    crash(damage) {
      epoch += 1;
      isFailing = false;
      stalledUntilUs = 0;
      if (underWay !== undefined && rng.chance(0.5)) unsynced.push(underWay.write);
      underWay = undefined;
      unsynced.length = rng.below(unsynced.length + 1);
      makeDurable();
      if (options.isLying && rng.chance(0.5)) forgetPromises();
      if (damage === "drop-middle") dropWrite(durable, recent, rng);
      else if (damage === "flip") flipValue(durable, rng);
    },
    failNext() {
      isFailing = true;
    },
    stall(durationUs) {
      // Whole, as the clock is: what is left of a microsecond would never pass.
      stalledUntilUs = heap.nowUs() + Math.ceil(durationUs);
    },
    slow(by) {
      factor = by;
    },
    calm() {
      factor = 1;
      isFailing = false;
      stalledUntilUs = 0;
    },
  };
}

function cloneImage(image: DiskImage): DiskImage {
  const copy = new DiskImage({ index: image.first.index, term: image.first.term, membership: image.membership });
  copy.first = { ...image.first };
  copy.entries = [...image.entries];
  for (const [key, row] of image.rows) copy.rows.set(key, row);
  copy.hardState = image.hardState;
  copy.appliedIndex = image.appliedIndex;
  copy.bounds = { ...image.bounds };
  return copy;
}

/** One write before the last vanishes; its neighbours stay. What it wrote and nobody wrote since is gone. */
function dropWrite(image: DiskImage, recent: readonly DiskWrite[], rng: Rng): void {
  const dropped = recent.slice(0, -1)[rng.below(Math.max(1, recent.length - 1))];
  if (dropped?.kind !== "batch") return;
  const { entries, rows } = dropped.batch;
  const isGone = new Set(entries.map(({ index, term }) => `${index}/${term}`));
  image.entries = image.entries.filter(({ index, term }) => !isGone.has(`${index}/${term}`));
  for (const row of rows) {
    const key = `${row.table}/${row.key}`;
    if (image.rows.get(key)?.json === JSON.stringify(row.value)) image.rows.delete(key);
  }
}

/** One bit of one value is another. */
function flipValue(image: DiskImage, rng: Rng): void {
  if (rng.chance(0.2)) {
    const { term, vote, commit } = image.hardState;
    image.hardState = { term: rng.chance(0.5) ? term ^ 1 : term, vote, commit: commit ^ (1 << rng.below(8)) };
    return;
  }
  const entryAt = image.entries.length === 0 ? -1 : rng.below(image.entries.length);
  const entry = image.entries[entryAt];
  if (entry !== undefined && rng.chance(0.6)) {
    image.entries[entryAt] = { ...entry, json: flipText(entry.json, rng) };
    return;
  }
  const keys = [...image.rows.keys()];
  const key = keys[rng.below(keys.length)];
  const row = key === undefined ? undefined : image.rows.get(key);
  if (key !== undefined && row !== undefined) image.rows.set(key, { ...row, json: flipText(row.json, rng) });
}

function flipText(text: string, rng: Rng): string {
  const at = rng.below(text.length);
  return `${text.slice(0, at)}${String.fromCharCode(text.charCodeAt(at) ^ 1)}${text.slice(at + 1)}`;
}
