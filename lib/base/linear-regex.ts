import { assert } from "./assert.ts";

/**
 * Regular expressions from configuration, in RE2's syntax and matched in time linear in the text: no back-references and no
 * look-around, so that no pattern and no request can stall a proxy. The library is loaded with the first expression, since its
 * 8 MB and 75 ms are nobody's who has none.
 */
export interface LinearRegex {
  /** Whether the whole text matches, as Envoy's regular expressions do. */
  matches(text: string): boolean;
  /** The first match anywhere in the text and what its groups hold, empty where they hold nothing; undefined without a match. */
  find(text: string): readonly string[] | undefined;
  /** Of `(...)`; the whole match is not counted. */
  readonly groupCount: number;
  /**
   * The text with every match replaced: in `by`, `$1` is a group, `$&` the match, `$$` a dollar sign, as in JavaScript. Each match
   * may read on to the end of the text, so more than `maxReplacements` of them are not replaced: then undefined.
   */
  replaceAll(text: string, by: string): string | undefined;
}

export type RegexCompilation =
  | { readonly ok: true; readonly regex: LinearRegex }
  | { readonly ok: false; readonly message: string };

export const maxReplacements = 32;

/** Longer ones are programs, and compile to as much. */
export const maxPatternCharacters = 1_024;

type Library = typeof import("re2js");
let library: Library | undefined;

export function compileRegex(pattern: string, { ignoresCase = false } = {}): RegexCompilation {
  if (pattern.length > maxPatternCharacters) {
    return { ok: false, message: `has ${pattern.length} characters, ${maxPatternCharacters} are allowed` };
  }
  library ??= load();
  const { RE2JS } = library;
  try {
    const compiled = RE2JS.compile(pattern, RE2JS.DOTALL | (ignoresCase ? RE2JS.CASE_INSENSITIVE : 0));
    return {
      ok: true,
      regex: {
        groupCount: compiled.groupCount(),
        matches: (text) => compiled.testExact(text),
        find: (text) => {
          const matcher = compiled.matcher(text);
          if (!matcher.find()) return undefined;
          return Array.from({ length: compiled.groupCount() + 1 }, (_, i) => matcher.group(i) ?? "");
        },
        replaceAll: (text, by) => replaceAll(compiled.matcher(text), by),
      },
    };
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    // The library shows the pattern behind the flags that it writes before it.
    return { ok: false, message: message.replace(/`\(\?i?s\)/, "`") };
  }
}

function replaceAll(matcher: ReturnType<InstanceType<Library["RE2JS"]>["matcher"]>, by: string): string | undefined {
  for (let count = 0; matcher.find(); count++) if (count === maxReplacements) return undefined;
  return matcher.replaceAll(by);
}

function load(): Library {
  // Neither `import()`, since configurations are checked at one go, nor `createRequire`, which bundlers cannot see through.
  const loaded: Library = require("re2js");
  assert(typeof loaded.RE2JS.compile === "function", "re2js exports its compiler");
  return loaded;
}
