import type { Entry } from "./types.ts";

/** Index, term, kind and framing. */
const overheadBytes = 32;
const configStepBytes = 96;

/**
 * What an entry weighs in a message or on disk. UTF-16 units stand for bytes: exact for ASCII, at most three times too small
 * otherwise, and no encoding of every proposal only to weigh it.
 */
export function entryBytes(entry: Entry): number {
  return overheadBytes + payloadBytes(entry);
}

/** 0 for an empty entry, so that no quota can keep a new leader from committing one (thesis 6.4 needs it for reads). */
export function payloadBytes(entry: Entry): number {
  switch (entry.kind) {
    case "empty":
      return 0;
    case "command":
      return entry.data.length;
    case "config":
      return entry.change.type === "change" ? entry.change.steps.length * configStepBytes : 0;
  }
}
