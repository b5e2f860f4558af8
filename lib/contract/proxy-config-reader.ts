import { mustGet } from "../base/assert.ts";
import {
  clashIssues,
  type InboundConfig,
  type OutboundConfig,
  parseProxyConfig,
  type ProxyConfig,
  type ProxyConfigParse,
} from "./proxy-config.ts";

/** A listener of a document that takes the place of the one that was there. */
export interface EntryChange {
  readonly side: "inbound" | "outbound";
  readonly index: number;
  readonly value: unknown;
}

/**
 * Reads one document after another and checks of each only the listeners that the one before did not have: those that are the same
 * remain the same objects, by which whoever applies them knows that there is nothing to do. A document of 1,000 listeners
 * with ten endpoints each takes 100 to 300 ms to check, and a proxy serves nobody meanwhile.
 */
export class ProxyConfigReader {
  #config: ProxyConfig | undefined;
  /** The entries of that document, by the text of what was read. */
  #inbound: ReadonlyMap<string, InboundConfig> = new Map();
  #outbound: ReadonlyMap<string, OutboundConfig> = new Map();

  /** As `parseProxyConfig`. */
  read(value: unknown): ProxyConfigParse {
    const { inbound: inboundValues, outbound: outboundValues } = asDocument(value);
    const inbound = new EntryReading(inboundValues, this.#inbound);
    const outbound = new EntryReading(outboundValues, this.#outbound);
    const parsed = parseProxyConfig({ ...asDocument(value), inbound: inbound.unknown, outbound: outbound.unknown });
    // Once more and whole, for the paths of what is wrong.
    if (!parsed.ok) return parseProxyConfig(value);
    const config = {
      ...parsed.config,
      inbound: inbound.complete(parsed.config.inbound),
      outbound: outbound.complete(parsed.config.outbound),
    };
    if (clashIssues(config).length > 0) return parseProxyConfig(value);
    this.#config = config;
    this.#inbound = inbound.known;
    this.#outbound = outbound.known;
    return { ok: true, config };
  }

  /** The document that was read last, with some of its listeners replaced. The paths of issues are those of a document of these alone. */
  readChanges(changes: readonly EntryChange[]): ProxyConfigParse {
    const previous = this.#config;
    if (previous === undefined) return refusal("", "there is no document yet that could be changed");
    const astray = changes.find(({ side, index }) => previous[side][index] === undefined);
    if (astray !== undefined) return refusal(`${astray.side}[${astray.index}]`, "is not in the document in force");
    const of = (side: EntryChange["side"]): EntryChange[] => changes.filter((change) => change.side === side);
    const [inbound, outbound] = [of("inbound"), of("outbound")];
    const parsed = parseProxyConfig({
      ...previous,
      inbound: inbound.map(({ value }) => value),
      outbound: outbound.map(({ value }) => value),
    });
    if (!parsed.ok) return parsed;
    const config = {
      ...previous,
      inbound: replaced(previous.inbound, inbound, parsed.config.inbound),
      outbound: replaced(previous.outbound, outbound, parsed.config.outbound),
    };
    const issues = clashIssues(config);
    if (issues.length > 0) return { ok: false, issues };
    this.#config = config;
    return { ok: true, config };
  }
}

/** The entries of one side: those that are known already, and those that are to be checked. */
class EntryReading<T> {
  readonly unknown: unknown[] = [];
  readonly known = new Map<string, T>();
  readonly #keys: readonly string[];
  readonly #unknownKeys: string[] = [];

  constructor(values: readonly unknown[], earlier: ReadonlyMap<string, T>) {
    this.#keys = values.map((value) => JSON.stringify(value) ?? "");
    for (const [i, key] of this.#keys.entries()) {
      const entry = earlier.get(key);
      if (entry !== undefined) {
        this.known.set(key, entry);
      } else {
        this.unknown.push(values[i]);
        this.#unknownKeys.push(key);
      }
    }
  }

  /** All entries in their order; `checked` are those that were unknown. */
  complete(checked: readonly T[]): T[] {
    for (const [i, entry] of checked.entries()) this.known.set(this.#unknownKeys[i] ?? "", entry);
    return this.#keys.map((key) => mustGet(this.known.get(key), "every entry is known or has been checked"));
  }
}

function replaced<T>(entries: readonly T[], changes: readonly EntryChange[], checked: readonly T[]): T[] {
  const result = [...entries];
  for (const [i, { index }] of changes.entries()) {
    result[index] = mustGet(checked[i], "every change has been checked");
  }
  return result;
}

/** Its lists of listeners; what is no document or no list is left to the schema. */
function asDocument(value: unknown): { readonly inbound: readonly unknown[]; readonly outbound: readonly unknown[] } {
  const document: { inbound?: unknown; outbound?: unknown } = typeof value === "object" && value !== null ? value : {};
  const { inbound = [], outbound = [] } = document;
  return {
    ...document,
    inbound: Array.isArray(inbound) ? inbound : [inbound],
    outbound: Array.isArray(outbound) ? outbound : [outbound],
  };
}

function refusal(path: string, message: string): ProxyConfigParse {
  return { ok: false, issues: [{ path, message }] };
}
