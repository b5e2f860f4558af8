import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "../../lib/base/clock.ts";
import { systemErrorCode } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { readPidFile } from "./pid-file.ts";
import { type Processes, systemProcesses } from "./processes.ts";
import { proxyDirName, proxyIdOf } from "./proxy-command.ts";

export interface OrphanOptions {
  readonly runtime: Runtime;
  /** `<data-dir>/proxies`. */
  readonly directory: string;
  readonly socketPath: string;
  /** The proxies that are still wanted. */
  readonly proxyIds: readonly string[];
  readonly processes?: Processes;
}

const terminateGraceMs = 5_000;
const pollIntervalMs = 50;

/**
 * Ends what an earlier agent left behind for sidecars that are no longer registered (it was killed between forgetting
 * the sidecar and stopping the proxy), and removes their directories with the keys inside.
 */
export async function removeOrphans(options: OrphanOptions): Promise<void> {
  const logger = options.runtime.logger.child("proxy");
  const wanted = new Set(options.proxyIds.map(proxyDirName));
  for (const name of await listDirectories(options.directory)) {
    if (wanted.has(name)) continue;
    logger.info("removing the proxy of a sidecar that is no longer registered", { directory: name });
    await endProcess(options, name);
    await rm(join(options.directory, name), { recursive: true, force: true });
  }
}

async function listDirectories(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return [];
    throw thrown;
  }
}

async function endProcess(options: OrphanOptions, name: string): Promise<void> {
  const processes = options.processes ?? systemProcesses;
  const pid = await readPidFile(join(options.directory, name, "proxy.pid"));
  if (pid === undefined) return;
  const isOurs = async (): Promise<boolean> => {
    const commandLine = (await processes.commandLine(pid)) ?? [];
    const id = proxyIdOf(commandLine, options.socketPath);
    return id !== undefined && proxyDirName(id) === name;
  };
  if (!(await isOurs())) return;
  processes.kill(pid, "SIGTERM");
  const { clock } = options.runtime;
  const deadlineMs = clock.monotonicMs() + terminateGraceMs;
  while (await isOurs()) {
    if (clock.monotonicMs() > deadlineMs) {
      processes.kill(pid, "SIGKILL");
      return;
    }
    await sleep(clock, pollIntervalMs);
  }
}
