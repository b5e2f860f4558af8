import { HclFailure } from "./hcl-failure.ts";
import { readHeredoc } from "./hcl-heredoc.ts";
import { readQuoted } from "./hcl-string.ts";

/** HCL text cut into tokens, one at a time and never back: the time is linear in the text. */
export type HclToken =
  | { readonly kind: "word"; readonly offset: number; readonly value: string }
  | { readonly kind: "string"; readonly offset: number; readonly value: string }
  | { readonly kind: "heredoc"; readonly offset: number; readonly value: string }
  | { readonly kind: "number"; readonly offset: number; readonly value: number }
  | { readonly kind: "boolean"; readonly offset: number; readonly value: boolean }
  | { readonly kind: HclMark; readonly offset: number }
  | { readonly kind: "end"; readonly offset: number };

export type HclMark = "{" | "}" | "[" | "]" | "," | "=";

export interface HclScanner {
  next(): HclToken;
}

const space = /[ \t\r\n]*/y;
const lineComment = /[^\n]*/y;
const word = /[\p{L}_][\p{L}\p{Nd}_.-]*/uy;
const number = /-?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|\.\d+(?:[eE][+-]?\d+)?/y;
const behindNumber = /[\p{L}\p{Nd}_.]/uy;

/** `text` has no carriage returns before its line feeds. Throws `HclFailure`, here and in `next`; behind the end it answers `end` for ever. */
export function createHclScanner(text: string): HclScanner {
  let at = 0;
  const zero = text.indexOf("\0");
  if (zero >= 0) throw new HclFailure(zero, "a null character is not allowed");

  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? "";
    at += found.length;
    return found;
  };

  const skipSpaceAndComments = (): void => {
    for (;;) {
      take(space);
      const char = text[at];
      const following = text[at + 1];
      if (char === "#" || (char === "/" && following === "/")) take(lineComment);
      else if (char === "/" && following === "*") {
        const close = text.indexOf("*/", at + 2);
        if (close < 0) throw new HclFailure(at, "the comment is not closed");
        at = close + 2;
      } else return;
    }
  };

  const next = (): HclToken => {
    skipSpaceAndComments();
    const offset = at;
    const char = text[at];
    if (char === undefined) return { kind: "end", offset };
    if (isMark(char)) {
      at++;
      return { kind: char, offset };
    }
    if (char === '"') {
      const { value, end } = readQuoted(text, at);
      at = end;
      return { kind: "string", offset, value };
    }
    if (char === "<") {
      const { value, end } = readHeredoc(text, at);
      at = end;
      return { kind: "heredoc", offset, value };
    }
    const name = take(word);
    if (name === "true" || name === "false") return { kind: "boolean", offset, value: name === "true" };
    if (name !== "") return { kind: "word", offset, value: name };
    const digits = take(number);
    if (digits === "") throw new HclFailure(offset, `unexpected ${showChar(text, offset)}`);
    if (take(behindNumber) !== "")
      throw new HclFailure(offset, "unexpected text behind the number: is it meant to be a string?");
    return { kind: "number", offset, value: readNumber(digits, offset) };
  };

  return { next };
}

function isMark(char: string): char is HclMark {
  return "{}[],=".includes(char);
}

function readNumber(digits: string, offset: number): number {
  const isNegative = digits.startsWith("-");
  const bare = isNegative ? digits.slice(1) : digits;
  const isInteger = /^(?:0[xX][0-9a-fA-F]+|\d+)$/.test(bare);
  const isOctal = isInteger && /^0\d/.test(bare);
  if (isOctal && !/^[0-7]+$/.test(bare))
    throw new HclFailure(offset, "a number that begins with 0 is octal: no 8 or 9");
  const size = isOctal ? Number.parseInt(bare, 8) : Number(bare);
  if (!Number.isFinite(size) || (isInteger && !Number.isSafeInteger(size))) {
    throw new HclFailure(offset, "the number is too large");
  }
  return isNegative && size !== 0 ? -size : size;
}

/** The character at `offset` as a message shows it. */
export function showChar(text: string, offset: number): string {
  const code = text.codePointAt(offset);
  return code === undefined ? "the end of the text" : JSON.stringify(String.fromCodePoint(code));
}
