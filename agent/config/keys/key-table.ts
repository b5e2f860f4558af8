import { agentKeys } from "./agent-keys.ts";
import type { KeyNote, KeyNotes } from "./key-note.ts";
import { networkKeys } from "./network-keys.ts";
import { serverKeys } from "./server-keys.ts";

/**
 * All keys of Consul's agent configuration, and Atoll's own, with what becomes of each. Keys that are in no row are unknown:
 * they are warned about by name. docs/agent-config.md is made from it.
 */
export const keyTable: KeyNotes = { ...agentKeys, ...networkKeys, ...serverKeys };

/** What is known of the key at `path`, itself or by a `.*` of a group above it. */
export function noteOf(path: string): KeyNote | undefined {
  if (Object.hasOwn(keyTable, path)) return keyTable[path];
  const group = path.slice(0, Math.max(0, path.lastIndexOf(".")));
  if (group === "") return undefined;
  const star = `${group}.*`;
  if (Object.hasOwn(keyTable, star)) return keyTable[star];
  const above = noteOf(group);
  return above !== undefined && above.use !== "honoured" ? above : undefined;
}

const spellings = new Map<string, string>();
for (const path of Object.keys(keyTable)) {
  const names = path.split(".").filter((name) => name !== "*");
  for (let length = 1; length <= names.length; length++) {
    const known = names.slice(0, length).join(".");
    spellings.set(plain(known), known);
  }
}

/** The key as the table writes it, whatever case and underscores it was written with; `path` itself when unknown. */
export function canonicalPath(path: string): string {
  return spellings.get(plain(path)) ?? path;
}

/** Whether the key only groups others, as `ports`. */
export function isGroup(path: string): boolean {
  return Object.keys(keyTable).some((key) => key.startsWith(`${path}.`));
}

/** Every path of the table, for guessing what a misspelt key was to be. */
export const knownPaths: readonly string[] = Object.keys(keyTable).filter((path) => !path.endsWith(".*"));

function plain(path: string): string {
  return path.toLowerCase().replaceAll("_", "");
}
