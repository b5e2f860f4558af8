import type { FieldBlock } from "../field-block.ts";

/** Most connections repeat a few blocks; these bound what one connection may keep: 16 KB of encoded blocks. */
const slotCount = 16;
const maxBlockBytes = 1024;
/** The generation of an entry that refers to nothing in the dynamic table. */
const always = -1;

interface CachedBlock {
  readonly bytes: Buffer;
  readonly block: FieldBlock;
  readonly generation: number;
}

/**
 * Blocks that a connection has sent before, by their encoded bytes: a repeated one need not be decoded and checked again.
 * A block may be kept when it does not change the dynamic table; it holds as long as the table is unchanged, or for ever
 * when it reads nothing from the table. A block is kept the second time it is seen, so that blocks that never repeat cost a
 * hash and no copy.
 *
 * `npm run bench -- http2-codec` (Bun 1.4.5): see the figures in the header of `decoder.ts`.
 */
export class BlockCache {
  #slots: (CachedBlock | undefined)[] | undefined;
  #seen: Int32Array | undefined;

  find(bytes: Buffer, start: number, end: number, generation: number): FieldBlock | undefined {
    const slots = this.#slots;
    if (slots === undefined || end - start > maxBlockBytes) return undefined;
    const cached = slots[hashOf(bytes, start, end) & (slotCount - 1)];
    if (cached === undefined || cached.bytes.length !== end - start) return undefined;
    if (cached.generation !== always && cached.generation !== generation) return undefined;
    return isSame(cached.bytes, bytes, start, end) ? cached.block : undefined;
  }

  /** `generation` of the table that the block was read with; undefined when it refers to nothing in the table. */
  store(bytes: Buffer, start: number, end: number, block: FieldBlock, generation: number | undefined): void {
    if (end - start > maxBlockBytes) return;
    const hash = hashOf(bytes, start, end);
    const slot = hash & (slotCount - 1);
    this.#seen ??= new Int32Array(slotCount);
    if (this.#seen[slot] !== hash) {
      this.#seen[slot] = hash;
      return;
    }
    this.#slots ??= new Array(slotCount).fill(undefined);
    block.isShared = true;
    this.#slots[slot] = {
      bytes: Buffer.from(bytes.subarray(start, end)),
      block,
      generation: generation ?? always,
    };
  }
}

/** The length, up to 16 bytes spread over the block and its last 4: equal blocks only need to hash equally. */
function hashOf(bytes: Buffer, start: number, end: number): number {
  const length = end - start;
  let hash = length + 1;
  const step = (length >> 4) + 1;
  for (let i = start; i < end; i += step) hash = (Math.imul(hash, 31) + (bytes[i] ?? 0)) | 0;
  for (let i = length > 4 ? end - 4 : start; i < end; i++) hash = (Math.imul(hash, 31) + (bytes[i] ?? 0)) | 0;
  // Zero marks a slot that has seen nothing.
  return hash ^ (hash >>> 15) || 1;
}

function isSame(cached: Buffer, bytes: Buffer, start: number, end: number): boolean {
  const length = cached.length;
  if (length > 32) return cached.compare(bytes, start, end) === 0;
  for (let i = 0; i < length; i++) if (cached[i] !== bytes[start + i]) return false;
  return true;
}
