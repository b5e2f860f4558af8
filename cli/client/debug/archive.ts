import { createWriteStream } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { tarEnd, tarEntry } from "../../../server/snapshot/tar.ts";

/** Beside the directory, whose files are in it below the name of the directory. */
export function archivePath(directory: string): string {
  return `${directory}.tar.gz`;
}

/** Packs a directory of files, each of which fits in memory, and removes it. Rejects when the archive is there already. */
export async function archiveDirectory(directory: string, nowMs: number): Promise<void> {
  const file = createWriteStream(archivePath(directory), { mode: 0o600, flags: "wx" });
  await pipeline(Readable.from(entries(directory, nowMs)), createGzip(), file);
  await rm(directory, { recursive: true });
}

async function* entries(directory: string, nowMs: number): AsyncIterable<Buffer> {
  for (const name of (await readdir(directory)).toSorted()) {
    const content = await readFile(join(directory, name));
    yield tarEntry({ name: `${basename(directory)}/${name}`, content }, nowMs);
  }
  yield tarEnd;
}
