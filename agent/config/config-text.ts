import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage } from "../../lib/base/errors.ts";
import { parseHcl } from "../../lib/base/hcl.ts";
import { parseJsonText } from "../../lib/base/json-file.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";

/** The files of an agent's configuration, found and read as Consul finds and reads them. */
export type ConfigFormat = "json" | "hcl";

export interface FoundFiles {
  readonly files: readonly string[];
  /** Files that were named and are not read, as sentences. */
  readonly skipped: readonly string[];
}

/**
 * A path that is a directory stands for the `.json` and `.hcl` files right in it, by name. `format` is what every file has,
 * whatever its name. Rejects with `CONFIG_INVALID` when a path is not there.
 */
export async function findConfigFiles(paths: readonly string[], format: ConfigFormat | undefined): Promise<FoundFiles> {
  const files: string[] = [];
  const skipped: string[] = [];
  for (const path of paths) {
    const names = await namesIn(path);
    if (names !== undefined) {
      const fitting = names.filter((name) => format !== undefined || formatOf(name) !== undefined);
      files.push(...fitting.toSorted().map((name) => join(path, name)));
    } else if (format !== undefined || formatOf(path) !== undefined) {
      files.push(path);
    } else {
      skipped.push(`skipping file ${path}, extension must be .hcl or .json, or config format must be set`);
    }
  }
  return { files, skipped };
}

/** The names of the files in a directory; undefined for a path that is none. */
async function namesIn(path: string): Promise<string[] | undefined> {
  try {
    if (!(await stat(path)).isDirectory()) return undefined;
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
}

function formatOf(path: string): ConfigFormat | undefined {
  if (path.endsWith(".json")) return "json";
  return path.endsWith(".hcl") ? "hcl" : undefined;
}

/** Rejects with `CONFIG_INVALID` that names the file, and the line and column that cannot be read. */
export async function readConfigText(path: string, format: ConfigFormat | undefined): Promise<object> {
  const kind = format ?? formatOf(path) ?? "json";
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
  return parseConfigText(`config file ${path}`, text, kind);
}

/** Throws `CONFIG_INVALID` that begins with `source`. */
export function parseConfigText(source: string, text: string, kind: ConfigFormat): object {
  // Consul's HCL reader takes JSON too.
  const parsed = kind === "json" || text.trimStart().startsWith("{") ? parseJsonText(text) : parseHcl(text);
  if (!parsed.ok) {
    const where = `line ${parsed.line}, column ${parsed.column}`;
    throw new AtollError("CONFIG_INVALID", `${source}, ${where}: ${parsed.message}`);
  }
  if (typeof parsed.value === "object" && parsed.value !== null && !Array.isArray(parsed.value)) return parsed.value;
  throw new AtollError("CONFIG_INVALID", `${source}: must hold one JSON object`);
}

function unreadable(path: string, cause: unknown): AtollError {
  return new AtollError("CONFIG_INVALID", `config file ${path} cannot be read: ${errorMessage(cause)}`, { cause });
}
