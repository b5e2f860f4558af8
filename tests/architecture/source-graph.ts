import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { Glob } from "bun";

/** The source files of the project and what each imports: what the architecture tests judge. */
export interface SourceFile {
  /** From the project's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** The text without comments and without what stands in strings, line by line as in `text`. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Import {
  /** A project file as in `SourceFile.path`, or the name of a package (`level`, `@grpc/grpc-js`, `node:fs`). */
  readonly target: string;
  readonly isProjectFile: boolean;
  /** Gone when the program runs: `import type` and `export type`. */
  readonly isTypeOnly: boolean;
  /** `import("...")`: loaded when it is reached, if ever. */
  readonly isDynamic: boolean;
}

const sourceFolders = "{agent,cli,lib,proxy,server,tests,tools,integrations,ui}/**/*.ts";

/** Every .ts file under `root` that is ours. */
export function readSourceFiles(root: string): SourceFile[] {
  return [...new Glob(sourceFolders).scanSync({ cwd: root })]
    .map((path) => path.replaceAll("\\", "/"))
    .toSorted()
    .map((path) => parseSourceFile(path, readFileSync(join(root, path), "utf8")));
}

/** Finds the imports of one file. `path` is taken as it is: nothing is read. */
export function parseSourceFile(path: string, text: string): SourceFile {
  const withoutComments = blank(text, { doubleQuoted: false });
  return {
    path,
    text,
    code: blank(text, { doubleQuoted: true }),
    imports: importPatterns.flatMap(({ pattern, isDynamic }) =>
      [...withoutComments.matchAll(pattern)].map((match) => {
        const specifier = match.groups?.["specifier"] ?? "";
        const isProjectFile = specifier.startsWith(".");
        return {
          target: isProjectFile ? resolve(path, specifier) : packageName(specifier),
          isProjectFile,
          isTypeOnly: match.groups?.["type"] !== undefined,
          isDynamic,
        };
      }),
    ),
  };
}

/** The files that running `from` loads, itself first, each with the chain of imports that leads there. */
export function loadedBy(from: string, files: ReadonlyMap<string, SourceFile>): Map<string, readonly string[]> {
  const chains = new Map<string, readonly string[]>([[from, [from]]]);
  for (const [path, chain] of chains) {
    for (const imported of files.get(path)?.imports ?? []) {
      if (imported.isTypeOnly || imported.isDynamic || chains.has(imported.target)) continue;
      chains.set(imported.target, [...chain, imported.target]);
    }
  }
  return chains;
}

const importPatterns = [
  {
    pattern: /^(?:import|export)\b(?<type>\s+type\b)?[^;"'`()]*?\bfrom\s*"(?<specifier>[^"\n]+)"/gm,
    isDynamic: false,
  },
  { pattern: /^import\s*"(?<specifier>[^"\n]+)"/gm, isDynamic: false },
  { pattern: /\bimport\(\s*"(?<specifier>[^"\n]+)"/g, isDynamic: true },
  { pattern: /\brequire\(\s*"(?<specifier>[^"\n]+)"/g, isDynamic: false },
];

function resolve(importer: string, specifier: string): string {
  return relative(".", join(dirname(importer), specifier)).replaceAll("\\", "/");
}

function packageName(specifier: string): string {
  if (/^(?:node|bun):/.test(specifier)) return specifier;
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/**
 * Replaces comments and the inside of strings by spaces; on request not of double-quoted ones, in which the formatter
 * leaves every import. Template strings keep their text, because code stands in them too. A regular expression with a
 * quote in it opens a string, which ends with the line at the latest.
 */
function blank(text: string, what: { readonly doubleQuoted: boolean }): string {
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`/g;
  return text.replace(token, (found) => {
    if (found.startsWith("`") || (found.startsWith('"') && !what.doubleQuoted)) return found;
    return found.replace(/[^\n]/g, " ");
  });
}
