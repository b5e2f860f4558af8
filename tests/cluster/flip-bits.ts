import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What LevelDB has not yet sorted into tables, and the tables. */
export type DatabasePart = "log" | "table";

const suffixes: Readonly<Record<DatabasePart, string>> = { log: ".log", table: ".ldb" };
/** LevelDB's blocks are about this large before compression: one bit in each leaves no row of a table out of reach. */
const tableStepBytes = 2_048;

/**
 * Flips bits in the largest file of that part of the database below `directory`, as a failing disk does: one in the middle
 * of the log, one in each block of a table's second half. Throws when there is no such file, or one too small to hit anything in.
 */
export function flipBits(directory: string, part: DatabasePart): { readonly file: string; readonly bits: number } {
  const files = databaseFiles(directory, suffixes[part]);
  const [file] = files.toSorted((a, b) => statSync(b).size - statSync(a).size);
  if (file === undefined) throw new Error(`no ${suffixes[part]} file below ${directory}`);
  const bytes = readFileSync(file);
  if (bytes.length < 4_096) throw new Error(`${file} has only ${bytes.length} bytes`);
  const positions = part === "log" ? [bytes.length >> 1] : everyBlock(bytes.length);
  for (const position of positions) bytes[position] = (bytes[position] ?? 0) ^ 0x10;
  writeFileSync(file, bytes);
  return { file, bits: positions.length };
}

/** The size of the file that `flipBits` would take; 0 when there is none. */
export function largestBytes(directory: string, part: DatabasePart): number {
  return Math.max(0, ...databaseFiles(directory, suffixes[part]).map((file) => statSync(file).size));
}

/** From the middle on, so that there are sound rows before; the index at the end is left alone: LevelDB itself notices that. */
function everyBlock(size: number): number[] {
  const first = Math.floor(size * 0.5);
  const count = Math.max(1, Math.floor((size * 0.4) / tableStepBytes));
  return Array.from({ length: count }, (_, n) => first + n * tableStepBytes);
}

function databaseFiles(directory: string, suffix: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(suffix) && /^\d+\./.test(name.split("/").at(-1) ?? ""))
    .map((name) => join(directory, name));
}
