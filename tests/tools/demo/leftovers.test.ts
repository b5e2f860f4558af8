import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { endProcessesOf } from "../../../tools/demo/leftovers.ts";

let folder = "";
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "atoll-leftovers-"));
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

test("a process with the folder in its command line is asked to end and does", async () => {
  const child = await start("setInterval(() => {}, 1000);", folder);
  expect(await endProcessesOf(folder)).toEqual([]);
  expect(await child.ended).toBe("SIGTERM");
});

test("a process that ignores SIGTERM is killed after the grace", async () => {
  const child = await start("process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);", folder);
  expect(await endProcessesOf(folder, 100)).toEqual([]);
  expect(await child.ended).toBe("SIGKILL");
});

test("a process of another folder is left alone", async () => {
  const other = await start("setInterval(() => {}, 1000);", `${folder.slice(0, -1)}/other`);
  await start("setInterval(() => {}, 1000);", folder);
  expect(await endProcessesOf(folder)).toEqual([]);
  expect(other.process.exitCode ?? other.process.signalCode).toBeNull();
});

async function start(code: string, argument: string) {
  const script = `${code} console.log("ready");`;
  const child = spawn(process.execPath, ["-e", script, argument], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const ended = new Promise((resolve) => child.once("exit", (exitCode, signal) => resolve(signal ?? exitCode)));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return { process: child, ended };
}
