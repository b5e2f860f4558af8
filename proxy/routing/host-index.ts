import { type HostPattern, maxHostCharacters } from "../../lib/contract/host-pattern.ts";

/**
 * Finds what was filed under patterns of hosts, at the price of a few look-ups in maps, however many hosts there are: one for the
 * host, and one for each of its suffixes that is no longer than the longest of the patterns.
 */
export class HostIndex<T> {
  readonly #create: () => T;
  /** Hosts, and hosts with ports. */
  readonly #exact = new Map<string, T>();
  /** From the full stop on, with and without ports. */
  readonly #suffixes = new Map<string, T>();
  /** Under the port, or nothing. */
  readonly #any = new Map<string, T>();
  /** Labels of the longest suffix: a request's host may have thousands, which nobody asks for. */
  #maxLabels = 0;
  #hasPorts = false;

  constructor(create: () => T) {
    this.#create = create;
  }

  /** What is filed under a pattern, made if there is nothing yet. */
  at({ type, host, port }: HostPattern): T {
    this.#hasPorts ||= port !== "";
    if (type === "any") return this.#made(this.#any, port);
    const key = port === "" ? host : `${host}:${port}`;
    if (type === "exact") return this.#made(this.#exact, key);
    this.#maxLabels = Math.max(this.#maxLabels, host.split(".").length - 1);
    return this.#made(this.#suffixes, key);
  }

  /** Gives `take` everything that is filed under a pattern of this authority, in no order. */
  find(authority: string, take: (found: T) => void): void {
    this.#look(this.#any, "", take);
    const lower = authority.toLowerCase();
    const end = endOfHost(lower);
    const hasPort = this.#hasPorts && end < lower.length;
    if (hasPort) this.#look(this.#any, lower.slice(end + 1), take);
    if (end > maxHostCharacters) return;
    this.#look(this.#exact, lower.slice(0, end), take);
    if (hasPort) this.#look(this.#exact, lower, take);
    let dot = this.#maxLabels === 0 ? -1 : lower.lastIndexOf(".", end - 1);
    for (let labels = 1; dot > 0 && labels <= this.#maxLabels; labels++) {
      this.#look(this.#suffixes, lower.slice(dot, end), take);
      if (hasPort) this.#look(this.#suffixes, lower.slice(dot), take);
      dot = lower.lastIndexOf(".", dot - 1);
    }
  }

  #made(map: Map<string, T>, key: string): T {
    const known = map.get(key);
    if (known !== undefined) return known;
    const made = this.#create();
    map.set(key, made);
    return made;
  }

  #look(map: ReadonlyMap<string, T>, key: string, take: (found: T) => void): void {
    const found = map.get(key);
    if (found !== undefined) take(found);
  }
}

/** Where the host ends: at its end, or at the colon of its port. What could be two hosts is one that no pattern means. */
function endOfHost(authority: string): number {
  const colon = authority.lastIndexOf(":");
  if (colon < 0) return authority.length;
  const isPort = authority.startsWith("[") ? authority[colon - 1] === "]" : authority.indexOf(":") === colon;
  return isPort ? colon : authority.length;
}
