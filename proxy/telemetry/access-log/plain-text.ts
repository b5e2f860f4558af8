/**
 * Values of requests as they may stand in a line: whatever a client sends, a line is one line, and what stands between quotes ends where
 * it seems to. Fields of HTTP are one character per byte.
 */
const isPlain = /^[ !#-[\]-~]*$/;
const isNotPlain = /[^ !#-[\]-~]/g;

/** For lines of text: everything but printable ASCII, and `"` and `\`, as `\xHH`, as nginx does. */
export function plainText(value: string): string {
  return isPlain.test(value) ? value : value.replace(isNotPlain, hexEscape);
}

function hexEscape(character: string): string {
  const code = character.charCodeAt(0);
  return code < 256 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
}

/** For JSON: bytes that are UTF-8 are read as such; what some readers take for the end of a line is escaped beyond what JSON asks. */
export function jsonText(value: string): string {
  if (isPlain.test(value)) return `"${value}"`;
  const isBytes = /[\x80-\xff]/.test(value) && !/[\u0100-\uffff]/.test(value);
  const text = isBytes ? Buffer.from(value, "latin1").toString("utf8") : value;
  return escapedJson(text);
}

/** An object as one line, its end included. */
export function jsonLine(value: Readonly<Record<string, string | number>>): string {
  return `${escapedJson(value)}\n`;
}

function escapedJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\x7f-\x9f\u2028\u2029]/g,
    (character) => `\\u${hex(character.charCodeAt(0), 4)}`,
  );
}

function hex(code: number, digits: number): string {
  return code.toString(16).toUpperCase().padStart(digits, "0");
}
