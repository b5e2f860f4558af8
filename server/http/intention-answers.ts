import { from, number, type ShapeFields, text, textMap } from "../../lib/base/filter-shape.ts";
import { createRecordFilter } from "../../lib/http/record-filter.ts";
import type { ConfigEntryRecord, SourceIntention } from "../../lib/contract/config-entries.ts";
import type { Intention } from "../../lib/contract/intentions.ts";
import type { Read, StateReader } from "../state/reader.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { permissionAnswer } from "./permission-answer.ts";

/** An intention with the config entry that holds it, which has the indexes and the Meta. */
export interface StoredIntention {
  readonly intention: Intention;
  readonly entry: ConfigEntryRecord | undefined;
  readonly namespace: "default";
  readonly sourceType: "consul";
}

/**
 * Adds to each intention the entry that holds it. The answer is remembered by the read's value, so that all watchers of
 * one list are given the same object and share its bytes.
 */
export function storedIntentions(
  reader: StateReader,
  read: Read<readonly Intention[]>,
): Read<readonly StoredIntention[]> {
  const known = joined.get(read.value);
  const value =
    known ??
    read.value.map((intention) => ({
      intention,
      entry: reader.configEntry("service-intentions", intention.destinationName).value,
      ...scope,
    }));
  if (known === undefined) joined.set(read.value, value);
  return { ...read, value };
}

/** What all intentions have in common. */
export const scope = { namespace: "default", sourceType: "consul" } as const;

const joined = new WeakMap<readonly Intention[], readonly StoredIntention[]>();

/** Consul's JSON of an intention; those kept in config entries have no ID and no times. */
export function intentionAnswer({ intention, entry }: StoredIntention): object {
  return {
    ...unlessEmpty("ID", intention.legacyId),
    ...unlessEmpty("Description", intention.description),
    SourceNS: "default",
    SourceName: intention.sourceName,
    DestinationNS: "default",
    DestinationName: intention.destinationName,
    SourceType: "consul",
    ...(intention.permissions === undefined
      ? { Action: intention.action }
      : { Permissions: intention.permissions.map(permissionAnswer) }),
    ...unlessEmpty("Meta", entry?.Meta),
    Precedence: intention.precedence,
    CreateIndex: entry?.CreateIndex ?? 0,
    ModifyIndex: entry?.ModifyIndex ?? 0,
  };
}

/** The namespace is always the same, and there are neither IDs nor addresses: a filter may name them nevertheless. */
const shape: ShapeFields = {
  Action: from(["intention", "action"], text),
  DefaultAddr: text,
  DefaultPort: number,
  Description: from(["intention", "description"], text),
  DestinationName: from(["intention", "destinationName"], text),
  DestinationNS: from(["namespace"], text),
  ID: text,
  Meta: from(["entry", "Meta"], textMap),
  Precedence: from(["intention", "precedence"], number),
  SourceName: from(["intention", "sourceName"], text),
  SourceNS: from(["namespace"], text),
  SourceType: from(["sourceType"], text),
};
export const intentionFilter = createRecordFilter<StoredIntention>(shape);

/** The rule for `source` in an entry of intentions. */
export function findSource(entry: ConfigEntryRecord | undefined, source: string): SourceIntention | undefined {
  if (entry?.Kind !== "service-intentions") return undefined;
  return entry.Sources.find((candidate) => candidate.Name === source);
}
