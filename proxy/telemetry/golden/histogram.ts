/** Counts per bucket, one more than there are bounds, and the sum: observing is a search and two additions. */
export class Histogram {
  readonly bounds: readonly number[];
  readonly buckets: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.buckets = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds, buckets } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket++;
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    this.sum += value;
  }
}
