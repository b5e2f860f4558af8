import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect, test } from "bun:test";
import { type Snapshot, readArchive, writeArchive } from "../../../server/snapshot/archive.ts";
import { tarEnd, tarEntry } from "../../../server/snapshot/tar.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";

const meta = {
  formatVersion: 1,
  index: 42,
  term: 3,
  clusterId: "9f1c7a52-0000-4000-8000-000000000001",
  datacenter: "dc1",
  createdAt: "2026-11-23T00:00:00Z",
};

async function archive(rows: Snapshot["rows"]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of writeArchive({ meta, rows })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function manyRows(count: number): Snapshot["rows"] {
  return Array.from({ length: count }, (_, i) => ({
    table: "nodes",
    key: `node-${i}`,
    value: { Node: `node-${i}`, Meta: { note: "ä".repeat(200) } },
  }));
}

test("what is written is read again, over several parts", async () => {
  const rows = manyRows(12_000);
  const read = await readArchive(await archive(rows));
  expect(read.meta).toEqual(meta);
  expect(read.rows).toEqual(rows);
});

test("a state without rows is a snapshot too", async () => {
  expect(await readArchive(await archive([]))).toEqual({ meta, rows: [] });
});

test("the system's tar and sha256sum read it", async () => {
  using dir = createTempDir();
  const file = join(dir.path, "state.snap");
  writeFileSync(file, await archive(manyRows(12_000)));
  const out = join(dir.path, "out");
  mkdirSync(out);
  execFileSync("tar", ["-xzf", file, "-C", out]);
  const checked = execFileSync("sha256sum", ["-c", "SHA256SUMS"], { cwd: out, encoding: "utf8" });
  expect(checked).toContain("meta.json: OK");
  expect(checked).toContain("state/00000001.jsonl: OK");
});

test("every flipped bit is found, wherever it is", async () => {
  const tar = gunzipSync(await archive(manyRows(20)));
  let refused = 0;
  const step = Math.max(1, Math.floor(tar.length / 400));
  for (let at = 0; at < tar.length; at += step) {
    const copy = Buffer.from(tar);
    copy[at] = (copy[at] ?? 0) ^ 0x04;
    const outcome = await readArchive(gzipSync(copy)).then(
      (snapshot) => snapshot,
      () => undefined,
    );
    if (outcome === undefined) refused++;
    // Bytes that mean nothing (padding) may change; the snapshot may not.
    else expect(outcome.rows).toEqual(manyRows(20));
  }
  expect(refused).toBeGreaterThan(200);
});

const rowsText = '{"table":"nodes","key":"n"}\n';
const metaText = JSON.stringify(meta);

function tarOf(files: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(files).map(([name, text]) => tarEntry({ name, content: Buffer.from(text) }, 0));
  return gzipSync(Buffer.concat([...entries, tarEnd]));
}

test.each<[string, () => Promise<Uint8Array> | Uint8Array, string]>([
  ["plain text", () => Buffer.from("hello"), "not a gzip file"],
  ["nothing", () => Buffer.alloc(0), "not a gzip file"],
  ["half a file", async () => (await archive(manyRows(200))).subarray(0, 900), "damaged"],
  ["a tar that is cut off", async () => gzipSync(gunzipSync(await archive([])).subarray(0, 1_024)), "ends too early"],
  ["no checksums", () => tarOf({ "meta.json": metaText }), "holds no SHA256SUMS"],
  [
    "a wrong checksum",
    () => tarOf({ "meta.json": metaText, SHA256SUMS: `${"0".repeat(64)}  meta.json\n` }),
    "is wrong",
  ],
  [
    "an unnamed file",
    () => tarOf({ "meta.json": metaText, "state/00000000.jsonl": rowsText, SHA256SUMS: "" }),
    "does not name",
  ],
  ["a stranger", () => tarOf({ "meta.json": metaText, "../../etc/passwd": "x" }), "which no snapshot of Atoll does"],
  ["a newer format", () => tarOf({ "meta.json": JSON.stringify({ ...meta, formatVersion: 2 }) }), "has format 2"],
  ["a row that is none", () => tarOf({ "meta.json": metaText, "state/00000000.jsonl": "[1]\n" }), "is no row"],
])("%s is refused with the reason", async (_what, make, reason) => {
  const promise = readArchive(await make());
  await expect(promise).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(promise).rejects.toThrow(reason);
});
