import { DynamicTable } from "./dynamic-table.ts";
import { staticCount } from "./static-table.ts";

/** Names beyond these are never indexed; the peer's table could hold hardly more fields anyway. */
const maxNames = 256;

interface IndexedField {
  readonly name: string;
  readonly value: string;
}

/** What is known of one name: the value that came last and the table entries, by value, as absolute numbers. */
interface NameState {
  last: string;
  readonly entries: Map<string, number>;
}

/**
 * An encoder's side of the dynamic table. A field is worth an entry when the same value comes twice in a row: then paths,
 * trace ids and dates that are never seen again do not push out what repeats.
 */
export class IndexPlan {
  readonly table: DynamicTable<IndexedField>;
  readonly #names = new Map<string, NameState>();

  constructor(tableBytes: number) {
    this.table = new DynamicTable<IndexedField>(tableBytes, ({ name, value }, number) => {
      const entries = this.#names.get(name)?.entries;
      if (entries?.get(value) === number) entries.delete(value);
    });
  }

  /** The index of a field that is in the table, else 0. */
  indexOf(name: string, value: string): number {
    const number = this.#names.get(name)?.entries.get(value);
    return number === undefined ? 0 : staticCount + this.table.inserted - number;
  }

  /** The index of some entry with this name, else 0. */
  indexOfName(name: string): number {
    const entries = this.#names.get(name)?.entries;
    if (entries === undefined) return 0;
    for (const number of entries.values()) return staticCount + this.table.inserted - number;
    return 0;
  }

  /** Whether this field should be inserted now; remembers its value for the next time. */
  isWorthIndexing(name: string, value: string): boolean {
    const state = this.#names.get(name);
    if (state === undefined) {
      if (this.#names.size < maxNames) this.#names.set(name, { last: value, entries: new Map() });
      return false;
    }
    if (state.last === value) return true;
    state.last = value;
    return false;
  }

  /** After the literal has been written; indexes change with it. */
  insert(name: string, value: string): void {
    if (this.table.insert({ name, value })) this.#names.get(name)?.entries.set(value, this.table.inserted - 1);
  }
}
