import { readFile, unlink } from "node:fs/promises";
import { replaceFile } from "../../lib/base/durable-file.ts";

/** The process id that an agent left for the next one; undefined when there is none that can be read. */
export async function readPidFile(path: string): Promise<number | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  const pid = /^\d{1,10}\n?$/.test(text) ? Number(text) : 0;
  return pid > 0 ? pid : undefined;
}

export async function writePidFile(path: string, pid: number): Promise<void> {
  await replaceFile({ path, content: `${pid}\n`, mode: 0o600, isDurable: false });
}

export async function removePidFile(path: string): Promise<void> {
  await unlink(path).catch(() => undefined);
}
