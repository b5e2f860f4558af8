import { hashBytes, isSameBytes } from "./byte-hash.ts";
import { Sightings } from "./sightings.ts";

/** A literal field as it was read before. */
export interface CachedField {
  readonly bytes: Uint8Array;
  readonly name: string;
  readonly value: string;
  readonly isValid: boolean;
}

/** A power of two. One connection keeps at most so many fields, of under 256 bytes each. */
const slotCount = 64;
const maxFieldBytes = 255;

/**
 * Literal fields by their bytes: in a block that is new as a whole nearly all fields have been seen before, and strings that
 * exist need not be made and checked again. What is kept is up to {@link Sightings}.
 */
export class FieldCache {
  readonly #slots: (CachedField | undefined)[] = new Array(slotCount).fill(undefined);
  readonly #sightings = new Sightings(slotCount);

  find(bytes: Buffer, start: number, end: number): CachedField | undefined {
    const cached = this.#slots[hashBytes(bytes, start, end) & (slotCount - 1)];
    return cached !== undefined && isSameBytes(cached.bytes, bytes, start, end) ? cached : undefined;
  }

  store(bytes: Buffer, start: number, end: number, field: Omit<CachedField, "bytes">): void {
    if (end - start > maxFieldBytes) return;
    const hash = hashBytes(bytes, start, end);
    const slot = hash & (slotCount - 1);
    if (!this.#sightings.isWorthKeeping(slot, hash)) return;
    this.#slots[slot] = { bytes: Uint8Array.prototype.slice.call(bytes, start, end), ...field };
  }
}
