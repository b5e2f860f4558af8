import type { StringMap } from "./catalog.ts";
import type { FieldEdits } from "./proxy-field-edits.ts";

/** Changes to the headers of a message, as Consul's routes and splits have them. */
export interface HeaderModifiers {
  readonly Add: StringMap;
  readonly Set: StringMap;
  readonly Remove: readonly string[];
}

/** The same in the words of a proxy's document, which does them in the same order: remove, set, add. */
export function fieldEdits(modifiers: HeaderModifiers): FieldEdits {
  const fields = (map: StringMap) => Object.entries(map).map(([name, value]) => ({ name, value }));
  return { set: fields(modifiers.Set), add: fields(modifiers.Add), remove: [...modifiers.Remove] };
}

/** What both come to, when a message passes `first` and then `second`. */
export function composeModifiers(
  first: HeaderModifiers | undefined,
  second: HeaderModifiers | undefined,
): HeaderModifiers | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  const overruled = new Set([...second.Remove, ...Object.keys(second.Set)].map((name) => name.toLowerCase()));
  const rest = (map: StringMap) => Object.entries(map).filter(([name]) => !overruled.has(name.toLowerCase()));
  const added = new Map(rest(first.Add));
  for (const [name, value] of Object.entries(second.Add)) {
    // Two lines of one name cannot stand in one map; one line with both values says the same (RFC 9110 section 5.3).
    const known = [...added.keys()].find((other) => other.toLowerCase() === name.toLowerCase());
    added.set(known ?? name, known === undefined ? value : `${added.get(known)}, ${value}`);
  }
  return {
    Add: Object.fromEntries(added),
    Set: { ...Object.fromEntries(rest(first.Set)), ...second.Set },
    Remove: [...new Set([...first.Remove, ...second.Remove])],
  };
}
