import { HclFailure } from "./hcl-failure.ts";
import { type HclItem, type HclNode, parseHclItems } from "./hcl-parser.ts";
import type { JsonParse } from "./json-file.ts";

/**
 * HCL 1, the language of agent configuration and of ACL rules, as plain values of the shapes that JSON has.
 *
 * - `k = v`, `"k" = v`: `{ k: v }`. Written again, the last one counts; lists are put one behind the other.
 * - `ports { http = 1 }` and `ports = { http = 1 }`: `{ ports: { http: 1 } }`.
 * - The same block again: `{ service: [{...}, {...}] }`, in the order of the text. A reader of a field that may repeat has to
 *   take an object for a list of one.
 * - Labels nest: `service "web" { policy = "read" }` is `{ service: { web: { policy: "read" } } }`. Further labels of the same
 *   key join that object; the same label again makes a list below the label. A block with a label and one without: a list of
 *   both, `{ service: [{ id: "a" }, { web: {...} }] }`.
 * - `k = [{...}]` is a list as written, also with one object in it. Blocks and lists of the same key join in one list.
 * - A key with a single value once and an object or a list another time is an error.
 *
 * Strings have Go's escapes (`\n`, `\u00e9`, `\101`); `${...}` stays as it is. Numbers may be octal (`0755`), hexadecimal,
 * fractions, with exponents; whole ones have to be exact in a double. `null` and `k: v` do not exist.
 */

/** In characters: far above any configuration, and read within a second or two. */
const maxLength = 4 * 1024 * 1024;

export interface HclOptions {
  /** As Consul reads ACL rules: the same key with `=` twice in one object is an error, with Consul's sentence. */
  readonly refusesRepeats?: boolean;
}

/**
 * Reads HCL; JSON is the caller's to tell apart. Line and column count from 1 and name the first character that cannot be
 * read. Never throws. The key `__proto__` is refused, nesting deeper than 64 and more than 4 Mi characters too.
 */
export function parseHcl(text: string, options: HclOptions = {}): JsonParse {
  if (text.length > maxLength) {
    return { ok: false, line: 1, column: 1, message: `longer than ${maxLength} characters` };
  }
  const unix = text.replaceAll("\r\n", "\n");
  try {
    const items = parseHclItems(unix);
    if (options.refusesRepeats === true) refuseRepeats(items, unix);
    return { ok: true, value: toObject(items) };
  } catch (thrown) {
    if (!(thrown instanceof HclFailure)) throw thrown;
    return { ok: false, ...positionOf(unix, thrown.offset), message: thrown.message };
  }
}

function positionOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

function refuseRepeats(items: readonly HclItem[], text: string): void {
  const assigned = new Set<string>();
  for (const { keys, value, isAssigned, offset } of items) {
    const key = keys[0] ?? "";
    if (isAssigned && assigned.has(key)) {
      const { line, column } = positionOf(text, offset);
      const at = `${JSON.stringify(key)} at ${line}:${column}`;
      throw new HclFailure(offset, `The argument ${at} was already set. Each argument can only be defined once`);
    }
    if (isAssigned) assigned.add(key);
    refuseRepeatsBelow(value, text);
  }
}

function refuseRepeatsBelow(node: HclNode, text: string): void {
  if (node.kind === "object") refuseRepeats(node.items, text);
  if (node.kind === "list") for (const item of node.items) refuseRepeatsBelow(item, text);
}

type Plain = string | number | boolean | Plain[] | { [key: string]: Plain };

/** What has been read for a key so far; `labels` only ever holds what labels named. */
type Slot =
  | { readonly kind: "single"; value: Plain }
  | { readonly kind: "list"; readonly values: Plain[] }
  | { readonly kind: "block"; readonly value: Plain }
  | { readonly kind: "labels"; readonly slots: Slots };

type Slots = Map<string, Slot>;

function toObject(items: readonly HclItem[]): { [key: string]: Plain } {
  const slots: Slots = new Map();
  for (const item of items) addItem(slots, item, 0);
  return fromSlots(slots);
}

function addItem(slots: Slots, item: HclItem, depth: number): void {
  const key = item.keys[depth] ?? "";
  if (key === "__proto__") throw new HclFailure(item.offset, `the key "${key}" is not allowed`);
  const held = slots.get(key);
  if (depth + 1 < item.keys.length) {
    if (held?.kind === "labels") {
      addItem(held.slots, item, depth + 1);
      return;
    }
    const labels: Slots = new Map();
    addItem(labels, item, depth + 1);
    slots.set(key, join(held, { kind: "labels", slots: labels }, item));
    return;
  }
  slots.set(key, join(held, slotOf(item.value), item));
}

function slotOf(node: HclNode): Slot {
  switch (node.kind) {
    case "literal":
      return { kind: "single", value: node.value };
    case "list":
      return { kind: "list", values: node.items.map(toPlain) };
    case "object":
      return { kind: "block", value: toObject(node.items) };
  }
}

function toPlain(node: HclNode): Plain {
  return fromSlot(slotOf(node));
}

function join(held: Slot | undefined, added: Slot, item: HclItem): Slot {
  if (held === undefined) return added;
  if (held.kind === "single" && added.kind === "single") return added;
  if (held.kind === "single" || added.kind === "single") {
    throw new HclFailure(
      item.offset,
      `${JSON.stringify(item.keys[0])} is written both as a single value and as a list or block`,
    );
  }
  // Grown in place: a key that is written n times costs n, not n times n.
  const list = held.kind === "list" ? held : { kind: "list" as const, values: [fromSlot(held)] };
  const values = added.kind === "list" ? added.values : [fromSlot(added)];
  for (const value of values) list.values.push(value);
  return list;
}

function fromSlot(slot: Slot): Plain {
  switch (slot.kind) {
    case "single":
    case "block":
      return slot.value;
    case "list":
      return slot.values;
    case "labels":
      return fromSlots(slot.slots);
  }
}

function fromSlots(slots: Slots): { [key: string]: Plain } {
  const object: { [key: string]: Plain } = {};
  for (const [key, slot] of slots) object[key] = fromSlot(slot);
  return object;
}
