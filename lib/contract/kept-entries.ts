import type { EntryBase } from "./config-entries.ts";

/**
 * Kinds of config entry that are checked, kept and answered for the tools that write them, and from which no program of ours
 * runs anything: gateways with their routes and certificates, and what is exported to peers.
 */
export const keptKinds = [
  "api-gateway",
  "exported-services",
  "file-system-certificate",
  "http-route",
  "ingress-gateway",
  "inline-certificate",
  "tcp-route",
  "terminating-gateway",
] as const;
export type KeptKind = (typeof keptKinds)[number];

/** `Fields` is what was written besides `Kind`, `Name` and `Meta`, in Consul's spelling, with its defaults filled in. */
export interface KeptEntry extends EntryBase {
  readonly Kind: KeptKind;
  readonly Fields: Readonly<Record<string, unknown>>;
}

export function isKeptKind(kind: string): kind is KeptKind {
  return keptKinds.some((kept) => kept === kind);
}

/** The objects of a list in `Fields`, which was checked when it was written. */
export function recordsIn(value: unknown): Readonly<Record<string, unknown>>[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  return items.flatMap((item) =>
    typeof item === "object" && item !== null ? [Object.fromEntries(Object.entries(item))] : [],
  );
}
