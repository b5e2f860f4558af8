/**
 * JSON text from a person's file: a syntax error comes back with its line and column, and keys that would reach an
 * object's prototype are refused.
 */
export type JsonParse =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly line: number; readonly column: number; readonly message: string };

const maxDepth = 512;

/** Parses `text`; line and column count from 1 and name the first character that cannot be read. */
export function parseJsonText(text: string): JsonParse {
  const tooDeepAt = findTooDeep(text);
  if (tooDeepAt !== undefined) {
    return { ok: false, ...positionOf(text, tooDeepAt), message: `nested more than ${maxDepth} levels deep` };
  }
  try {
    return { ok: true, value: mayHoldPrototypeKey(text) ? JSON.parse(text, refusePrototypeKeys) : JSON.parse(text) };
  } catch (thrown) {
    if (thrown instanceof PrototypeKeyError) {
      return { ok: false, ...positionOf(text, Math.max(0, text.indexOf(`"${thrown.key}"`))), message: thrown.message };
    }
    const failure = findSyntaxError(text);
    return { ok: false, ...positionOf(text, failure.offset), message: failure.message };
  }
}

/** Where lists and objects stand in each other deeper than anyone who walks through them by recursion can go. */
function findTooDeep(text: string): number | undefined {
  if (text.length <= 2 * maxDepth) return undefined;
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isInString) {
      if (code === backslash) at++;
      else if (code === quote) isInString = false;
    } else if (code === quote) isInString = true;
    else if (code === openBracket || code === openBrace) {
      if (++depth > maxDepth) return at;
    } else if (code === closeBracket || code === closeBrace) depth--;
  }
  return undefined;
}

const [quote, backslash, openBracket, closeBracket, openBrace, closeBrace] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d];

class PrototypeKeyError extends Error {
  readonly key: string;
  constructor(key: string) {
    super(`the key "${key}" is not allowed`);
    this.key = key;
  }
}

/** Looking at every value takes ten times as long as parsing; a key can only be spelled in these ways. */
function mayHoldPrototypeKey(text: string): boolean {
  return text.includes("__proto__") || text.includes("\\u");
}

function refusePrototypeKeys(key: string, value: unknown): unknown {
  if (key === "__proto__") throw new PrototypeKeyError(key);
  return value;
}

function positionOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const lastBreak = before.lastIndexOf("\n");
  return { line: before.split("\n").length, column: offset - lastBreak };
}

const literals = ["true", "false", "null"] as const;

/** The engine's message has no portable position, so a second, slower reader finds the first offending character. */
function findSyntaxError(text: string): { offset: number; message: string } {
  let at = 0;
  const fail = (message: string): never => {
    throw new SyntaxFailure(at, message);
  };
  const found = (): string => (at >= text.length ? "the end of the file" : JSON.stringify(text[at]));
  const skipSpace = (): void => {
    while (at < text.length && " \t\r\n".includes(text[at] ?? "")) at++;
  };
  const readString = (): void => {
    at++;
    while (text[at] !== '"') {
      if (at >= text.length) fail("the string is not closed");
      if (text.charCodeAt(at) < 0x20) fail("a string may not hold a line break or control character");
      if (text[at] !== "\\") {
        at++;
        continue;
      }
      const sequence = /^\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.exec(text.slice(at, at + 6));
      if (sequence === null) fail("unknown escape in a string");
      at += sequence?.[0].length ?? 1;
    }
    at++;
  };
  const readList = (close: string, readItem: () => void): void => {
    at++;
    skipSpace();
    if (text[at] === close) {
      at++;
      return;
    }
    for (;;) {
      readItem();
      skipSpace();
      if (text[at] === close) {
        at++;
        return;
      }
      if (text[at] !== ",") fail(`expected "," or "${close}", found ${found()}`);
      at++;
      skipSpace();
    }
  };
  const readValue = (depth: number): void => {
    skipSpace();
    if (depth > maxDepth) fail(`nested deeper than ${maxDepth} levels`);
    const char = text[at];
    if (char === '"') {
      readString();
      return;
    }
    if (char === "[") {
      readList("]", () => readValue(depth + 1));
      return;
    }
    if (char === "{") {
      readList("}", () => {
        if (text[at] !== '"') fail(`expected a "key", found ${found()}`);
        readString();
        skipSpace();
        if (text[at] !== ":") fail(`expected ":" after the key, found ${found()}`);
        at++;
        readValue(depth + 1);
      });
      return;
    }
    const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/.exec(text.slice(at, at + 64));
    const literal = literals.find((word) => text.startsWith(word, at));
    const token = literal ?? number?.[0] ?? fail(`expected a value, found ${found()}`);
    at += token.length;
  };
  try {
    readValue(0);
    skipSpace();
    if (at < text.length) fail(`unexpected text after the value: ${found()}`);
    return { offset: at, message: "not valid JSON" };
  } catch (thrown) {
    if (thrown instanceof SyntaxFailure) return { offset: thrown.offset, message: thrown.message };
    throw thrown;
  }
}

class SyntaxFailure extends Error {
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}
