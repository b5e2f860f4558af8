import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { createProxyLog } from "../../../agent/proxies/proxy-log.ts";
import { eventually } from "../../fakes/eventually.ts";
import { createTempDir, type TempDir } from "../../fakes/temp-dir.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

let dir: TempDir;

beforeEach(() => {
  dir = createTempDir();
});

afterEach(() => dir[Symbol.dispose]());

test("a log that has grown too large is moved aside while its process goes on writing to the same file", async () => {
  const path = join(dir.path, "proxy.log");
  const log = createProxyLog({ runtime: createTestRuntime(), path, maxSizeBytes: 10, checkIntervalMs: 5 });
  const file = await log.open();
  try {
    writeSync(file.fd, "short\n");
    writeSync(file.fd, "more than ten\n");
    await eventually("the rotation", () => readFileSync(path, "utf8") === "");
    writeSync(file.fd, "after\n");
    expect(readFileSync(`${path}.1`, "utf8")).toBe("short\nmore than ten\n");
    expect(readFileSync(path, "utf8")).toBe("after\n");
  } finally {
    log.close();
    await file.close();
  }
});

test("a log that is closed is not looked at any more", async () => {
  const path = join(dir.path, "proxy.log");
  const log = createProxyLog({ runtime: createTestRuntime(), path, maxSizeBytes: 1, checkIntervalMs: 5 });
  const file = await log.open();
  log.close();
  writeSync(file.fd, "long enough\n");
  await Bun.sleep(50);
  expect(readFileSync(path, "utf8")).toBe("long enough\n");
  await file.close();
});
