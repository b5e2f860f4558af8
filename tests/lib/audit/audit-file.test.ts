import { expect, test } from "bun:test";
import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAuditFile } from "../../../lib/audit/audit-file.ts";
import type { AuditSink } from "../../../lib/audit/audit-settings.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";

function open(options: Partial<AuditSink> & { readonly startMs?: number } = {}) {
  const dir = createTempDir();
  const clock = createVirtualClock(options.startMs ?? 1_700_000_000_000);
  const sink: AuditSink = {
    name: "main",
    path: join(dir.path, "deep", "audit.json"),
    rotateBytes: 0,
    rotateDurationMs: 0,
    rotateMaxFiles: 0,
    mode: 0o600,
    ...options,
  };
  const folder = join(dir.path, "deep");
  return {
    clock,
    sink,
    folder,
    file: createAuditFile(sink, clock),
    names: () => readdirSync(folder).toSorted(),
    read: () =>
      readdirSync(folder)
        .toSorted()
        .map((name) => readFileSync(join(folder, name), "utf8")),
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

test("a file is named by the nanoseconds of its begin and is its owner's only", async () => {
  using audit = open();
  await audit.file.append("1\n");
  await audit.file.append("2\n");
  expect(audit.names()).toEqual(["audit-1700000000000000000.json"]);
  expect(audit.read()).toEqual(["1\n2\n"]);
  expect(statSync(join(audit.folder, audit.names()[0] ?? "")).mode & 0o777).toBe(0o600);
  await audit.file.close();
});

test("a file that would grow over its size is exchanged, and a line that is longer has one of its own", async () => {
  using audit = open({ rotateBytes: 10 });
  for (const text of ["aaaa\n", "bbbb\n", "c\n", "a long long line\n", "d\n"]) await audit.file.append(text);
  expect(audit.read()).toEqual(["aaaa\nbbbb\n", "c\n", "a long long line\n", "d\n"]);
  await audit.file.close();
});

test("a file is exchanged at its age, counted from its name also by the next process", async () => {
  using audit = open({ rotateDurationMs: 60_000 });
  await audit.file.append("a\n");
  await audit.clock.advance(59_999);
  await audit.file.append("b\n");
  await audit.file.close();
  await audit.clock.advance(1);
  const next = createAuditFile(audit.sink, audit.clock);
  await next.append("c\n");
  expect(audit.read()).toEqual(["a\nb\n", "c\n"]);
  await next.close();
});

test("the next process goes on with the newest file, behind a line that was broken off", async () => {
  using audit = open({ rotateBytes: 100 });
  await audit.file.append("a\n");
  await audit.file.close();
  appendFileSync(join(audit.folder, audit.names()[0] ?? ""), '{"broken');
  const next = createAuditFile(audit.sink, audit.clock);
  await next.append("b\n");
  expect(audit.read()).toEqual(['a\n{"broken\nb\n']);
  await next.close();
});

test("so many older files are kept, and others in the folder are left alone", async () => {
  using audit = open({ rotateBytes: 1, rotateMaxFiles: 2 });
  await audit.file.append("0\n");
  for (const name of ["audit.json", "audit-x.json", "other-1.json", "audit-5.txt"]) {
    writeFileSync(join(audit.folder, name), "");
  }
  for (let i = 1; i <= 5; i++) await audit.file.append(`${i}\n`);
  const own = audit.names().filter((name) => /^audit-\d+\.json$/.test(name));
  expect(own.map((name) => readFileSync(join(audit.folder, name), "utf8"))).toEqual(["3\n", "4\n", "5\n"]);
  expect(audit.names()).toContain("audit-5.txt");
  await audit.file.close();
});

test("a folder that cannot be written rejects, and is tried again with the next line", async () => {
  using audit = open({ rotateBytes: 1 });
  await audit.file.append("a\n");
  rmSync(audit.folder, { recursive: true });
  writeFileSync(audit.folder, "");
  await expect(audit.file.append("b\n")).rejects.toThrow();
  rmSync(audit.folder);
  await audit.file.append("c\n");
  expect(audit.read()).toEqual(["c\n"]);
  await audit.file.close();
});
