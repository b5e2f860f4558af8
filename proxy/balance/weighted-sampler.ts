import { mustGet } from "../../lib/base/assert.ts";

/**
 * Draws in proportion to weights that change: a Fenwick tree over them, O(log n) for a draw and for a change; O(1) for a draw
 * while all weights are equal. Weights are whole numbers, so the sums are exact.
 */
export class WeightedSampler<T extends { readonly weight: number }> {
  readonly #items: T[] = [];
  readonly #weights: number[] = [];
  readonly #positions = new Map<T, number>();
  /** How many items have each weight. */
  readonly #byWeight = new Map<number, number>();
  /** From 1; element i holds the sum of the (i & -i) weights up to it. */
  #tree = new Float64Array(2);
  #total = 0;
  #isUniform = true;

  get size(): number {
    return this.#items.length;
  }

  get meanWeight(): number {
    return this.#total / this.#items.length;
  }

  at(position: number): T | undefined {
    return this.#items[position];
  }

  add(item: T): void {
    const position = this.#items.length;
    this.#items.push(item);
    this.#weights.push(0);
    this.#positions.set(item, position);
    if (position + 1 >= this.#tree.length) this.#grow();
    this.#setWeight(position, item.weight);
  }

  remove(item: T): void {
    const position = mustGet(this.#positions.get(item), "only what was added is removed");
    const last = mustGet(this.#items.at(-1), "it has the one to be removed");
    const lastPosition = this.#items.length - 1;
    const lastWeight = this.#weights[lastPosition] ?? 0;
    this.#setWeight(lastPosition, 0);
    this.#items.pop();
    this.#weights.pop();
    this.#positions.delete(item);
    if (position === lastPosition) return;
    this.#setWeight(position, lastWeight);
    this.#items[position] = last;
    this.#positions.set(last, position);
  }

  reweigh(item: T): void {
    this.#setWeight(mustGet(this.#positions.get(item), "only what was added is weighed"), item.weight);
  }

  /** The position that `chance` in [0, 1) falls on; only while there is something. */
  draw(chance: number): number {
    if (this.#isUniform) return Math.floor(chance * this.#items.length);
    return this.#find(chance * this.#total);
  }

  /** Like {@link draw} among all but `position`; only while there are two. */
  drawOther(chance: number, position: number): number {
    if (this.#isUniform) {
      const other = Math.floor(chance * (this.#items.length - 1));
      return other >= position ? other + 1 : other;
    }
    const own = this.#weights[position] ?? 0;
    const point = chance * (this.#total - own);
    return this.#find(point < this.#sumBefore(position) ? point : point + own);
  }

  /** The position whose stretch of the weights, laid end to end, covers `point`. */
  #find(point: number): number {
    const tree = this.#tree;
    let position = 0;
    for (let step = tree.length >> 1; step > 0; step >>= 1) {
      const next = position + step;
      const sum = tree[next];
      if (sum === undefined || sum > point || next > this.#items.length) continue;
      position = next;
      point -= sum;
    }
    return Math.min(position, this.#items.length - 1);
  }

  #sumBefore(position: number): number {
    let sum = 0;
    for (let at = position; at > 0; at &= at - 1) sum += this.#tree[at] ?? 0;
    return sum;
  }

  /** 0 for none. */
  #setWeight(position: number, weight: number): void {
    const old = this.#weights[position] ?? 0;
    if (old === weight) return;
    this.#countWeight(old, -1);
    this.#countWeight(weight, 1);
    this.#weights[position] = weight;
    this.#total += weight - old;
    for (let at = position + 1; at < this.#tree.length; at += at & -at) {
      this.#tree[at] = (this.#tree[at] ?? 0) + weight - old;
    }
  }

  #countWeight(weight: number, by: number): void {
    if (weight === 0) return;
    const count = (this.#byWeight.get(weight) ?? 0) + by;
    if (count === 0) this.#byWeight.delete(weight);
    else this.#byWeight.set(weight, count);
    this.#isUniform = this.#byWeight.size <= 1;
  }

  #grow(): void {
    const tree = new Float64Array(this.#tree.length * 2);
    for (let at = 1; at < tree.length; at++) {
      tree[at] = (tree[at] ?? 0) + (this.#weights[at - 1] ?? 0);
      const parent = at + (at & -at);
      if (parent < tree.length) tree[parent] = (tree[parent] ?? 0) + (tree[at] ?? 0);
    }
    this.#tree = tree;
  }
}
