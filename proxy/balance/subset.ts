import type { SubsetFallback } from "../../lib/contract/proxy-routes.ts";

/** Endpoints that have all of some tags; `fallback` says what holds where there are none. */
export class SubsetSelector {
  /** The same for selectors of the same tags. */
  readonly key: string;
  readonly fallback: SubsetFallback;
  readonly tags: Readonly<Record<string, string>>;
  readonly #tags: readonly (readonly [name: string, value: string])[];

  constructor(tags: Readonly<Record<string, string>>, fallback: SubsetFallback = "no-fallback") {
    this.tags = tags;
    this.fallback = fallback;
    this.#tags = Object.entries(tags).toSorted(([a], [b]) => (a < b ? -1 : 1));
    this.key = JSON.stringify(this.#tags);
  }

  matches(tags: Readonly<Record<string, string>>): boolean {
    return this.#tags.every(([name, value]) => Object.hasOwn(tags, name) && tags[name] === value);
  }
}
