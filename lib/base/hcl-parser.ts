import { HclFailure } from "./hcl-failure.ts";
import { createHclScanner, type HclToken } from "./hcl-scanner.ts";

/** HCL text as the tree that was written: every item in its order, repeated keys included. What they mean together is not decided here. */
export interface HclItem {
  /** The key and the labels behind it, `["service", "web"]`; at least one. */
  readonly keys: readonly string[];
  readonly value: HclNode;
  /** Written with `=`. */
  readonly isAssigned: boolean;
  /** Of the key in the text. */
  readonly offset: number;
}

export type HclNode =
  | { readonly kind: "literal"; readonly value: string | number | boolean }
  | { readonly kind: "list"; readonly items: readonly HclNode[] }
  | { readonly kind: "object"; readonly items: readonly HclItem[] };

/** How deep objects, labels and lists may nest: nothing that is configured comes near, and no input ends the stack. */
const maxDepth = 64;

/** Throws `HclFailure`. */
export function parseHclItems(text: string): readonly HclItem[] {
  const scanner = createHclScanner(text);
  let token = scanner.next();

  const advance = (): HclToken => {
    const passed = token;
    token = scanner.next();
    return passed;
  };
  const fail = (expected: string): never => {
    throw new HclFailure(token.offset, `expected ${expected}, found ${show(token)}`);
  };
  const checkDepth = (depth: number): void => {
    if (depth > maxDepth) throw new HclFailure(token.offset, `nested deeper than ${maxDepth} levels`);
  };

  const readItems = (close: "}" | "end", depth: number): readonly HclItem[] => {
    checkDepth(depth);
    const items: HclItem[] = [];
    while (token.kind !== close) {
      items.push(readItem(depth));
      if (token.kind === ",") advance();
    }
    return items;
  };

  const readItem = (depth: number): HclItem => {
    const { offset } = token;
    const keys: string[] = [];
    while (token.kind === "word" || token.kind === "string") {
      checkDepth(depth + keys.length);
      keys.push(token.value);
      advance();
    }
    if (keys.length === 0) fail("a key");
    const below = depth + keys.length;
    if (token.kind === "{") return { keys, value: readObject(below), isAssigned: false, offset };
    if (token.kind !== "=") fail('"=" or "{" behind the key');
    if (keys.length > 1) fail('"{" behind the label');
    advance();
    return { keys, value: readValue(below), isAssigned: true, offset };
  };

  const readObject = (depth: number): HclNode => {
    advance();
    const items = readItems("}", depth);
    advance();
    return { kind: "object", items };
  };

  const readList = (depth: number): HclNode => {
    checkDepth(depth);
    advance();
    const items: HclNode[] = [];
    let needsComma = false;
    while (token.kind !== "]") {
      if (token.kind === ",") {
        advance();
        needsComma = false;
        continue;
      }
      if (needsComma) fail('"," or "]"');
      // Between two lists the comma may be left out, which is how the language has always been read.
      needsComma = token.kind !== "[";
      items.push(readValue(depth + 1));
    }
    advance();
    return { kind: "list", items };
  };

  const readValue = (depth: number): HclNode => {
    switch (token.kind) {
      case "string":
      case "heredoc":
      case "number":
      case "boolean": {
        const { value } = token;
        advance();
        return { kind: "literal", value };
      }
      case "{":
        return readObject(depth);
      case "[":
        return readList(depth);
      default:
        return fail("a value");
    }
  };

  return readItems("end", 0);
}

function show(token: HclToken): string {
  switch (token.kind) {
    case "end":
      return "the end of the text";
    case "heredoc":
      return "a text over several lines";
    case "word":
      return token.value;
    case "string":
    case "number":
    case "boolean":
      return JSON.stringify(token.value).slice(0, 80);
    default:
      return JSON.stringify(token.kind);
  }
}
