/** What a field costs in a dynamic table and in a header list beyond its bytes (RFC 7541 section 4.1). */
export const entryOverheadBytes = 32;

/** A field of a decoder's dynamic table. */
export interface TableEntry {
  readonly name: string;
  readonly value: string;
  /** Whether name and value may stand in a message, see `field-characters.ts`. */
  readonly isValidName: boolean;
  readonly isValidValue: boolean;
}

/**
 * The dynamic table of RFC 7541 section 2.3.2 as a ring: newest entry first by index, oldest evicted first. `generation`
 * changes with every change of the content, so that what was concluded from the table can be kept as long as it holds.
 */
export class DynamicTable<Entry extends { readonly name: string; readonly value: string }> {
  generation = 0;
  /** Entries ever inserted: the next one's absolute number. */
  inserted = 0;
  #maxBytes: number;
  #bytes = 0;
  #count = 0;
  #ring: (Entry | undefined)[] = [];
  readonly #onEvicted: ((entry: Entry, number: number) => void) | undefined;

  constructor(maxBytes: number, onEvicted?: (entry: Entry, number: number) => void) {
    this.#maxBytes = maxBytes;
    this.#onEvicted = onEvicted;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The entry at `position`, 0 being the newest. */
  at(position: number): Entry | undefined {
    if (position >= this.#count) return undefined;
    return this.#ring[(this.inserted - 1 - position) & (this.#ring.length - 1)];
  }

  /** An entry larger than the table empties it and is not kept; that is not an error (section 4.4). */
  insert(entry: Entry): boolean {
    const size = entry.name.length + entry.value.length + entryOverheadBytes;
    this.generation++;
    this.#evictTo(this.#maxBytes - size);
    if (size > this.#maxBytes) return false;
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[this.inserted & (this.#ring.length - 1)] = entry;
    this.inserted++;
    this.#count++;
    this.#bytes += size;
    return true;
  }

  resize(maxBytes: number): void {
    this.generation++;
    this.#maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  #evictTo(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const number = this.inserted - this.#count;
      const slot = number & (this.#ring.length - 1);
      const oldest = this.#ring[slot];
      this.#ring[slot] = undefined;
      this.#count--;
      if (oldest === undefined) continue;
      this.#bytes -= oldest.name.length + oldest.value.length + entryOverheadBytes;
      this.#onEvicted?.(oldest, number);
    }
  }

  /** The ring's length is a power of two; a table of n bytes can never hold more than n / 32 entries. */
  #grow(): void {
    const old = this.#ring;
    const ring: (Entry | undefined)[] = new Array(Math.max(8, old.length * 2));
    for (let number = this.inserted - this.#count; number < this.inserted; number++) {
      ring[number & (ring.length - 1)] = old[number & (old.length - 1)];
    }
    this.#ring = ring;
  }
}
