import { HclFailure } from "./hcl-failure.ts";

/** HCL's quoted strings: Go's escapes, and `${...}` that is left as it stands, quotes and line breaks in it included. */
export interface HclText {
  readonly value: string;
  /** The offset behind the last character that belongs to it. */
  readonly end: number;
}

const singles: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
};
const octal = /[0-7]{3}/y;
const hexLengths: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };
const hex = /^[0-9a-fA-F]+$/;
const maxCodePoint = 0x10ffff;
/** A byte above this one is no character by itself. */
const maxByteEscape = 0x7f;

/** Reads the string whose opening quote is at `open`. Throws `HclFailure`. */
export function readQuoted(text: string, open: number): HclText {
  let value = "";
  let copied = open + 1;
  let at = open + 1;
  let braces = 0;
  for (;;) {
    const char = text[at];
    if (char === undefined || (char === "\n" && braces === 0)) throw new HclFailure(open, "the string is not closed");
    if (char === '"' && braces === 0) break;
    if (char === "\\") {
      const sequence = readEscape(text, at);
      if (braces === 0) {
        value += text.slice(copied, at) + sequence.value;
        copied = sequence.end;
      }
      at = sequence.end;
      continue;
    }
    if (braces === 0 && char === "$" && text[at + 1] === "{") {
      braces = 1;
      at += 2;
      continue;
    }
    if (braces > 0 && char === "{") braces++;
    if (braces > 0 && char === "}") braces--;
    at++;
  }
  return { value: value + text.slice(copied, at), end: at + 1 };
}

function readEscape(text: string, at: number): HclText {
  const kind = text[at + 1] ?? "";
  const single = Object.hasOwn(singles, kind) ? singles[kind] : undefined;
  if (single !== undefined) return { value: single, end: at + 2 };
  octal.lastIndex = at + 1;
  const octalDigits = octal.exec(text)?.[0];
  if (octalDigits !== undefined) return { value: byteOf(Number.parseInt(octalDigits, 8), at), end: at + 4 };
  const length = Object.hasOwn(hexLengths, kind) ? hexLengths[kind] : undefined;
  const digits = text.slice(at + 2, at + 2 + (length ?? 0));
  if (length === undefined || digits.length !== length || !hex.test(digits)) {
    throw new HclFailure(at, "unknown escape in a string");
  }
  const code = Number.parseInt(digits, 16);
  const end = at + 2 + length;
  if (kind === "x") return { value: byteOf(code, at), end };
  if (code > maxCodePoint) throw new HclFailure(at, "there is no character with this number");
  const isSurrogate = code >= 0xd800 && code <= 0xdfff;
  return { value: isSurrogate ? "\ufffd" : String.fromCodePoint(code), end };
}

function byteOf(code: number, at: number): string {
  if (code > maxByteEscape) throw new HclFailure(at, "an escaped byte above 7f is no character: write it as \\u00e9");
  return String.fromCharCode(code);
}
