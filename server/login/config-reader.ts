import { parseDurationMs } from "../../lib/base/duration.ts";
import { badConfig } from "./method-type.ts";

/**
 * The `Config` of an auth method, field by field: keys in any case as Consul reads them, unknown ones refused, so that a
 * restriction with a misspelled name is not simply missing. Messages hold no values: some of them are secrets.
 */
export class ConfigReader {
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #known = new Set<string>();

  constructor(config: Readonly<Record<string, unknown>>) {
    this.#fields = new Map(Object.entries(config).map(([name, value]) => [name.toLowerCase(), value]));
  }

  text(name: string): string {
    const value = this.#take(name) ?? "";
    if (typeof value !== "string") throw badConfig(`Config.${name} must be a text`);
    return value;
  }

  mustText(name: string): string {
    const value = this.text(name);
    if (value === "") throw badConfig(`Config.${name} is required`);
    return value;
  }

  texts(name: string): readonly string[] {
    const value = this.#take(name) ?? [];
    if (isTexts(value)) return value;
    throw badConfig(`Config.${name} must be a list of texts`);
  }

  flag(name: string): boolean {
    const value = this.#take(name) ?? false;
    if (typeof value !== "boolean") throw badConfig(`Config.${name} must be true or false`);
    return value;
  }

  integer(name: string, max: number): number {
    const value = this.#take(name) ?? 0;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) return value;
    throw badConfig(`Config.${name} must be 0 to ${max}`);
  }

  /** Text such as "30s", or nanoseconds; 0 when it was not given. Negative ones are allowed. */
  durationMs(name: string): number {
    const value = this.#take(name) ?? 0;
    const ms = typeof value === "number" ? value / 1e6 : typeof value === "string" ? parseDurationMs(value) : undefined;
    if (ms === undefined || !Number.isFinite(ms)) throw badConfig(`Config.${name} must be a duration such as "60s"`);
    return ms;
  }

  textMap(name: string): ReadonlyMap<string, string> {
    const value = this.#take(name) ?? {};
    const entries = typeof value === "object" && !Array.isArray(value) ? Object.entries(value) : [["", undefined]];
    return new Map(
      entries.map(([key, one]): [string, string] => {
        if (typeof key === "string" && typeof one === "string") return [key, one];
        throw badConfig(`Config.${name} must map texts to texts`);
      }),
    );
  }

  /** Called when all fields were read. */
  finish(): void {
    const unknown = [...this.#fields.keys()].filter((name) => !this.#known.has(name));
    if (unknown.length > 0)
      throw badConfig(`error decoding config: it has invalid keys: ${unknown.toSorted().join(", ")}`);
  }

  #take(name: string): unknown {
    this.#known.add(name.toLowerCase());
    return this.#fields.get(name.toLowerCase()) ?? undefined;
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
