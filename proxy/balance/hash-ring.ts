import { mustGet } from "../../lib/base/assert.ts";
import { hashText, mixBits } from "./text-hash.ts";

/** Somebody with points on a ring. */
export interface RingMember {
  readonly address: string;
  /** Points it has, and points it shall have. */
  points: number;
  target: number;
  /** Where the ring keeps it, or -1. */
  slot: number;
}

/** So many new points are sorted at once: a hash and a number below this fit a double. */
const batch = 2 ** 21;

/**
 * The points of a ring in order. Point k of a member is worked out from k and two hashes of its address, so that one member's points
 * can come and go without touching the others: in one pass over flat arrays, 0.4 ms for 10,000 points, 3 to 5 for 100,000. (The hash with k as its
 * seed will not do: xxHash32 of addresses that differ in one character then gives both of them the same points, for other k.)
 */
export class HashRing<M extends RingMember> {
  #hashes = new Uint32Array(0);
  #owners = new Int32Array(0);
  #ordinals = new Int32Array(0);
  #size = 0;
  readonly #slots: (M | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#size;
  }

  /** The first point from `hash` on, around the end; only while there is one. */
  find(hash: number): number {
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#hashes[middle] ?? 0) < hash) low = middle + 1;
      else high = middle;
    }
    return low === this.#size ? 0 : low;
  }

  ownerAt(point: number): M {
    return mustGet(this.#slots[this.#owners[point] ?? -1], "every point has an owner");
  }

  /** Gives each of `members` the points that it shall have. */
  apply(members: readonly M[]): void {
    const owners: number[] = [];
    const ordinals: number[] = [];
    let isShrinking = false;
    for (const member of members) {
      if (member.slot < 0) this.#admit(member);
      for (let ordinal = member.points; ordinal < member.target; ordinal++) {
        owners.push(member.slot);
        ordinals.push(ordinal);
      }
      isShrinking ||= member.target < member.points;
      member.points = member.target;
    }
    let from = 0;
    do {
      const to = Math.min(owners.length, from + batch);
      if (to > from || isShrinking) this.#merge(owners.slice(from, to), ordinals.slice(from, to));
      from = to;
    } while (from < owners.length);
    for (const member of members) if (member.points === 0) this.#dismiss(member);
  }

  #admit(member: M): void {
    member.slot = this.#free.pop() ?? this.#slots.length;
    this.#slots[member.slot] = member;
  }

  #dismiss(member: M): void {
    this.#slots[member.slot] = undefined;
    this.#free.push(member.slot);
    member.slot = -1;
  }

  /** One pass: points beyond what their owners shall have go, new ones come. */
  #merge(owners: readonly number[], ordinals: readonly number[]): void {
    const order = this.#inOrder(owners, ordinals);
    const capacity = this.#size + order.length;
    const hashes = new Uint32Array(capacity);
    const mergedOwners = new Int32Array(capacity);
    const mergedOrdinals = new Int32Array(capacity);
    const limits = Int32Array.from(this.#slots, (member) => member?.points ?? 0);
    let size = 0;
    let next = 0;
    const put = (hash: number, owner: number, ordinal: number): void => {
      hashes[size] = hash;
      mergedOwners[size] = owner;
      mergedOrdinals[size] = ordinal;
      size++;
    };
    for (let at = 0; at <= this.#size; at++) {
      const isEnd = at === this.#size;
      const hash = this.#hashes[at] ?? 0;
      const owner = this.#owners[at] ?? 0;
      for (; next < order.length; next++) {
        const key = order[next] ?? 0;
        const newHash = Math.floor(key / batch);
        const newOwner = owners[key % batch] ?? 0;
        if (!isEnd && !this.#isBefore(newHash, newOwner, hash, owner)) break;
        put(newHash, newOwner, ordinals[key % batch] ?? 0);
      }
      const ordinal = this.#ordinals[at] ?? 0;
      if (!isEnd && ordinal < (limits[owner] ?? 0)) put(hash, owner, ordinal);
    }
    this.#hashes = hashes;
    this.#owners = mergedOwners;
    this.#ordinals = mergedOrdinals;
    this.#size = size;
  }

  /** The new points by hash: each a hash and an index in one number. */
  #inOrder(owners: readonly number[], ordinals: readonly number[]): Float64Array {
    const order = new Float64Array(owners.length);
    let lastOwner = -1;
    let a = 0;
    let b = 0;
    for (const [i, owner] of owners.entries()) {
      if (owner !== lastOwner) {
        const { address } = mustGet(this.#slots[owner], "points are made for members");
        a = hashText(address);
        b = hashText(address, 1);
        lastOwner = owner;
      }
      order[i] = mixBits(mixBits(a + Math.imul(ordinals[i] ?? 0, 0x9e3779b1)) ^ b) * batch + i;
    }
    order.sort();
    for (let i = 1; i < order.length; i++) {
      // Two of one hash are rare; what decides must not be who came first.
      for (let j = i; j > 0; j--) {
        const before = order[j - 1] ?? 0;
        const key = order[j] ?? 0;
        const hash = Math.floor(key / batch);
        if (Math.floor(before / batch) !== hash) break;
        if (!this.#isBefore(hash, owners[key % batch] ?? 0, hash, owners[before % batch] ?? 0)) break;
        order[j - 1] = key;
        order[j] = before;
      }
    }
    return order;
  }

  #isBefore(hashA: number, ownerA: number, hashB: number, ownerB: number): boolean {
    if (hashA !== hashB) return hashA < hashB;
    return (this.#slots[ownerA]?.address ?? "") < (this.#slots[ownerB]?.address ?? "");
  }
}
