import { expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AtollError } from "../../../../lib/contract/error-codes.ts";
import { openLevelStore } from "../../../../server/log/level-store.ts";
import { scrubIntervalMs, startScrub } from "../../../../server/raft/shell/scrub.ts";
import { eventually } from "../../../fakes/eventually.ts";
import { createTempDir } from "../../../fakes/temp-dir.ts";
import { createTestRuntime } from "../../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../../fakes/virtual-clock.ts";

function soundReports(lines: readonly string[]): number {
  return lines.filter((line) => line.includes("the files of the database are sound")).length;
}

test("a running database is verified once a day, and a flipped bit in a table that nobody reads is found", async () => {
  using temp = createTempDir();
  const rows = Array.from({ length: 50 }, (_, n) => ({
    type: "put" as const,
    key: `k${n}`,
    value: Buffer.alloc(99, n),
  }));
  const first = await openLevelStore(temp.path);
  await first.write(rows);
  await first.close();
  const store = await openLevelStore(temp.path);
  const clock = createVirtualClock(1_800_000_000_000);
  const runtime = createTestRuntime({ clock });
  const found: AtollError[] = [];
  const scrub = startScrub({ directory: temp.path, runtime, onDamage: (error) => found.push(error) });
  const pass = async (what: string, probe: () => boolean): Promise<void> => {
    await clock.advance(scrubIntervalMs);
    await eventually(what, async () => {
      await clock.advance(1_000);
      return probe();
    });
  };
  try {
    await pass("the first day", () => soundReports(runtime.lines) === 1);
    await store.write(rows);
    await pass("the second day", () => soundReports(runtime.lines) === 2);

    const table = readdirSync(temp.path).find((name) => name.endsWith(".ldb")) ?? "";
    const bytes = readFileSync(join(temp.path, table));
    bytes[100] = (bytes[100] ?? 0) ^ 0x10;
    writeFileSync(join(temp.path, table), bytes);
    await pass("the third day", () => found.length === 1);
    expect(found[0]).toMatchObject({ code: "DATA_CORRUPT" });
    expect(found[0]?.message).toContain(`is damaged in table ${join(temp.path, table)}`);
    await clock.advance(3 * scrubIntervalMs);
    expect(found).toHaveLength(1);
  } finally {
    scrub.close();
    await store.close();
  }
});
