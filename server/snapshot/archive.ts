/**
 * The file that `atoll snapshot save` writes: a gzipped tar of `meta.json`, the rows of the state in parts of bounded
 * size, and `SHA256SUMS` over all of it. It is written row by row and verified whole before anybody uses a row of it.
 */
import { createHash } from "node:crypto";
import { pipeline, Readable } from "node:stream";
import { createGunzip, createGzip } from "node:zlib";
import { errorMessage } from "../../lib/base/errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { RowChange } from "../state/row-change.ts";
import { damaged, readTar, tarEnd, tarEntry } from "./tar.ts";

export const archiveFormatVersion = 1;

/** A part of the rows is closed when it is over this. */
const partBytes = 1024 * 1024;
/** One row is at most 4 MiB, as an entry of the log is. */
const limits = { maxFileBytes: 16 * 1024 * 1024, maxFiles: 100_000 };

const metaName = "meta.json";
const sumsName = "SHA256SUMS";
const partPattern = /^state\/\d{8}\.jsonl$/;

export interface SnapshotMeta {
  readonly formatVersion: number;
  /** Index and term of the last entry of the log that the state holds. */
  readonly index: number;
  readonly term: number;
  readonly clusterId: string;
  readonly datacenter: string;
  /** RFC 3339. */
  readonly createdAt: string;
}

export interface Snapshot {
  readonly meta: SnapshotMeta;
  readonly rows: readonly RowChange[];
}

export interface WriteOptions {
  readonly meta: SnapshotMeta;
  readonly rows: AsyncIterable<RowChange> | Iterable<RowChange>;
}

/** The bytes of the file. An error of `rows` destroys the stream: a reader never takes a part for the whole. */
export function writeArchive(options: WriteOptions): Readable {
  const gzip = createGzip({ level: 6 });
  pipeline(Readable.from(tarChunks(options), { objectMode: true }), gzip, () => undefined);
  return gzip;
}

async function* tarChunks({ meta, rows }: WriteOptions): AsyncIterable<Buffer> {
  const mtimeMs = Date.parse(meta.createdAt);
  const sums: string[] = [];
  const entry = (name: string, content: Buffer): Buffer => {
    sums.push(`${sha256(content)}  ${name}\n`);
    return tarEntry({ name, content }, mtimeMs);
  };
  yield entry(metaName, Buffer.from(`${JSON.stringify(meta, null, 2)}\n`));
  let part = 0;
  let lines: string[] = [];
  let size = 0;
  const close = (): Buffer => {
    const content = Buffer.from(lines.join(""));
    lines = [];
    size = 0;
    return entry(`state/${String(part++).padStart(8, "0")}.jsonl`, content);
  };
  for await (const { table, key, value } of rows) {
    const line = `${JSON.stringify({ table, key, value })}\n`;
    lines.push(line);
    size += line.length;
    if (size >= partBytes) yield close();
  }
  if (lines.length > 0) yield close();
  yield tarEntry({ name: sumsName, content: Buffer.from(sums.join("")) }, mtimeMs);
  yield tarEnd;
}

/** Reads and verifies a whole file. Rejects with `INVALID_ARGUMENT` that says what is wrong with it. */
export async function readArchive(bytes: Uint8Array | AsyncIterable<Uint8Array>): Promise<Snapshot> {
  const source = bytes instanceof Uint8Array ? Readable.from([bytes], { objectMode: true }) : Readable.from(bytes);
  const gunzip = createGunzip();
  pipeline(source, gunzip, () => undefined);
  try {
    return await readFiles(gunzip);
  } catch (thrown) {
    if (thrown instanceof AtollError) throw thrown;
    throw damaged(`it is not a gzip file, or a damaged one (${errorMessage(thrown)})`);
  } finally {
    gunzip.destroy();
  }
}

async function readFiles(chunks: AsyncIterable<Buffer>): Promise<Snapshot> {
  const found = new Map<string, string>();
  const rows: RowChange[] = [];
  let meta: SnapshotMeta | undefined;
  let sums: string | undefined;
  for await (const { name, content } of readTar(chunks, limits)) {
    if (sums !== undefined) throw damaged(`it holds ${JSON.stringify(name)} after ${sumsName}`);
    if (name === sumsName) {
      sums = content.toString("utf8");
      continue;
    }
    if (found.has(name)) throw damaged(`it holds ${JSON.stringify(name)} twice`);
    found.set(name, sha256(content));
    if (name === metaName) meta = parseMeta(content.toString("utf8"));
    else if (partPattern.test(name)) for (const row of parseRows(name, content)) rows.push(row);
    else throw damaged(`it holds ${JSON.stringify(name)}, which no snapshot of Atoll does`);
  }
  if (meta === undefined) throw damaged(`it holds no ${metaName}`);
  checkSums(found, sums);
  return { meta, rows };
}

function checkSums(found: ReadonlyMap<string, string>, sums: string | undefined): void {
  if (sums === undefined) throw damaged(`it holds no ${sumsName}`);
  const promised = new Map(
    sums
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => [line.slice(66), line.slice(0, 64)]),
  );
  for (const [name, sum] of promised) {
    if (!found.has(name)) throw damaged(`${name} is missing`);
    if (found.get(name) !== sum) throw damaged(`the checksum of ${name} is wrong`);
  }
  for (const name of found.keys()) if (!promised.has(name)) throw damaged(`${sumsName} does not name ${name}`);
}

function parseMeta(text: string): SnapshotMeta {
  const value = parseJson(text, metaName);
  const field = (name: string): unknown => Object.getOwnPropertyDescriptor(value, name)?.value;
  const number = (name: string): number => {
    const found = field(name);
    if (typeof found === "number" && Number.isSafeInteger(found) && found >= 0) return found;
    throw damaged(`${name} in ${metaName} is no count`);
  };
  const words = (name: string): string => {
    const found = field(name);
    if (typeof found === "string") return found;
    throw damaged(`${name} in ${metaName} is no text`);
  };
  const formatVersion = number("formatVersion");
  if (formatVersion !== archiveFormatVersion) {
    throw damaged(`it has format ${formatVersion}, and this program reads ${archiveFormatVersion}`);
  }
  return {
    formatVersion,
    index: number("index"),
    term: number("term"),
    clusterId: words("clusterId"),
    datacenter: words("datacenter"),
    createdAt: words("createdAt"),
  };
}

function* parseRows(name: string, content: Buffer): Iterable<RowChange> {
  for (const [i, line] of content.toString("utf8").split("\n").entries()) {
    if (line === "") continue;
    const row = parseJson(line, `${name}:${i + 1}`);
    if (!isRow(row)) throw damaged(`${name}:${i + 1} is no row`);
    yield row;
  }
}

function isRow(value: object): value is RowChange {
  return "table" in value && typeof value.table === "string" && "key" in value && typeof value.key === "string";
}

function parseJson(text: string, where: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Said below, in the same words.
  }
  throw damaged(`${where} is not valid JSON`);
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
