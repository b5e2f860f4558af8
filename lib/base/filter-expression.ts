import {
  type Comparison,
  equals,
  type FilterKind,
  fits,
  holds,
  isEmpty,
  negated,
  type Operation,
} from "./filter-comparison.ts";

/**
 * Filter expressions in the language of Consul's (go-bexpr): `Service.Meta.version == v1 and "canary" not in Service.Tags`. What the
 * selectors are, and of which kind, says whoever has the records; nothing is looked up by a name that was not checked.
 *
 *     or := and ("or" and)*      and := not ("and" not)*      not := "not" not | "(" or ")" | match
 */
export interface FilterField<R> {
  readonly kind: FilterKind;
  /**
   * Whether the record's value is one that `comparison` takes. Where a part of the record is a list there are several: one is
   * enough. A key that its map does not have is not compared and comes to `ifMissing`.
   */
  readonly some: (record: R, comparison: Comparison, ifMissing: boolean) => boolean;
}

/** The field that a selector stands for, by its parts; undefined for none. */
export type FilterFields<R> = (path: readonly string[]) => FilterField<R> | undefined;

export type FilterParse<R> =
  | { readonly ok: true; readonly matches: (record: R) => boolean }
  | { readonly ok: false; readonly message: string };

export const maxFilterCharacters = 4_096;
/** Of parentheses and `not`. */
const maxDepth = 64;

export function parseFilter<R>(text: string, fields: FilterFields<R>): FilterParse<R> {
  if (text.length > maxFilterCharacters) {
    return { ok: false, message: `has ${text.length} characters, ${maxFilterCharacters} are allowed` };
  }
  try {
    const parser = new Parser(text, fields);
    return { ok: true, matches: parser.parse() };
  } catch (thrown) {
    if (thrown instanceof FilterProblem) return { ok: false, message: thrown.message };
    throw thrown;
  }
}

class FilterProblem extends Error {}

type Test<R> = (record: R) => boolean;

/** What the parser takes at a time. A quoted text is a value whatever is in it. */
interface Token {
  readonly text: string;
  readonly isQuoted: boolean;
  readonly at: number;
}

const tokenPattern = /\s*(?:("(?:[^"\\]|\\.)*")|(`[^`]*`)|([()])|(==|!=)|((?:[^\s()"`=![\]]|\["[^"]*"\])+))/y;

class Parser<R> {
  readonly #text: string;
  readonly #fields: FilterFields<R>;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string, fields: FilterFields<R>) {
    this.#text = text;
    this.#fields = fields;
    this.#tokens = tokensOf(text);
  }

  parse(): Test<R> {
    const test = this.#or();
    const rest = this.#peek();
    if (rest !== undefined) throw this.#problem(`found "${rest.text}" where the expression should end`, rest);
    return test;
  }

  #or(): Test<R> {
    const parts = [this.#and()];
    while (this.#takeWord("or")) parts.push(this.#and());
    return parts.length === 1 ? only(parts) : (record) => parts.some((part) => part(record));
  }

  #and(): Test<R> {
    const parts = [this.#not()];
    while (this.#takeWord("and")) parts.push(this.#not());
    return parts.length === 1 ? only(parts) : (record) => parts.every((part) => part(record));
  }

  #not(): Test<R> {
    if (++this.#depth > maxDepth) throw new FilterProblem(`is nested deeper than ${maxDepth}`);
    const test = this.#unary();
    this.#depth--;
    return test;
  }

  #unary(): Test<R> {
    if (this.#takeWord("not")) {
      const negated = this.#not();
      return (record) => !negated(record);
    }
    if (!this.#takeWord("(")) return this.#match();
    const test = this.#or();
    if (!this.#takeWord(")")) throw this.#problem('needs a ")"', this.#peek());
    return test;
  }

  #match(): Test<R> {
    const first = this.#take("a selector or a value");
    if (this.#takeWord("in")) return this.#compare(this.#take("a selector"), holds(first.text));
    if (this.#peekWords("not", "in")) {
      this.#next += 2;
      return this.#compare(this.#take("a selector"), negated(holds(first.text)));
    }
    const operator = this.#operator();
    if (operator === "is empty") return this.#compare(first, isEmpty);
    if (operator === "is not empty") return this.#compare(first, negated(isEmpty));
    const value = this.#take("a value").text;
    if (operator === "==") return this.#compare(first, equals(value));
    if (operator === "!=") return this.#compare(first, negated(equals(value)));
    const comparison = operator.endsWith("contains") ? holds(value) : fits(value);
    return this.#compare(first, operator.startsWith("not ") ? negated(comparison) : comparison);
  }

  #operator(): string {
    const known = ["==", "!=", "is empty", "is not empty", "contains", "not contains", "matches", "not matches"];
    for (const operator of known) {
      const words = operator.split(" ");
      if (!this.#peekWords(...words)) continue;
      this.#next += words.length;
      return operator;
    }
    throw this.#problem(`needs one of ${known.join(", ")}, in, not in`, this.#peek());
  }

  #compare(selector: Token, operation: Operation): Test<R> {
    const quoted = JSON.stringify(selector.text);
    const field = selector.isQuoted ? undefined : this.#fields(selectorPath(selector.text));
    if (field === undefined) throw this.#problem(`Selector ${quoted} is not valid`, selector);
    const comparison = operation.compile(field.kind);
    if (comparison === undefined) {
      throw this.#problem(`Invalid match operator "${operation.name}" for selector ${quoted}`, selector);
    }
    if (typeof comparison === "object") {
      throw this.#problem(`${comparison.problem} for selector ${quoted}: ${comparison.cause}`, selector);
    }
    const { ifMissing } = operation;
    return (record) => field.some(record, comparison, ifMissing);
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#next];
  }

  #peekWords(...words: readonly string[]): boolean {
    return words.every((word, i) => {
      const token = this.#tokens[this.#next + i];
      return token !== undefined && !token.isQuoted && token.text === word;
    });
  }

  #takeWord(word: string): boolean {
    if (!this.#peekWords(word)) return false;
    this.#next++;
    return true;
  }

  #take(what: string): Token {
    const token = this.#peek();
    if (token === undefined || (!token.isQuoted && /^(?:[()]|==|!=)$/.test(token.text))) {
      throw this.#problem(`needs ${what}`, token);
    }
    this.#next++;
    return token;
  }

  #problem(message: string, token: Token | undefined): FilterProblem {
    return new FilterProblem(`${message} (at character ${(token?.at ?? this.#text.length) + 1})`);
  }
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = new RegExp(tokenPattern);
  const end = text.trimEnd().length;
  while (pattern.lastIndex < end) {
    const from = pattern.lastIndex;
    const match = pattern.exec(text);
    if (match === null) throw new FilterProblem(`cannot be read from character ${from + 1} on`);
    const [, quoted, raw, ...plain] = match;
    const found = quoted ?? raw ?? plain.find((part) => part !== undefined) ?? "";
    const isQuoted = quoted !== undefined || raw !== undefined;
    const value = quoted === undefined ? found.slice(isQuoted ? 1 : 0, isQuoted ? -1 : undefined) : unquoted(quoted);
    tokens.push({ text: value, isQuoted, at: pattern.lastIndex - found.length });
  }
  return tokens;
}

function unquoted(text: string): string {
  return text
    .slice(1, -1)
    .replace(/\\(.)/gs, (_, escaped: string) => ({ n: "\n", t: "\t", r: "\r" })[escaped] ?? escaped);
}

/** `Service.Meta["a.b"].c` as its parts. */
function selectorPath(text: string): string[] {
  return [...text.matchAll(/\["([^"]*)"\]|\.?([^.[\]]+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}

function only<R>(parts: readonly Test<R>[]): Test<R> {
  return parts[0] ?? (() => false);
}
