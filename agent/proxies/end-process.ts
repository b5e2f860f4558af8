import { type Clock, sleep } from "../../lib/base/clock.ts";
import type { ProxyConnection } from "./proxy-connection.ts";
import type { ProxyProcess } from "./proxy-process.ts";

export interface StopOptions {
  /** How long the proxy may take to let its connections end by themselves. */
  readonly drainMs: number;
  /** Where it listens for `stop`; without a connection it gets a signal at once. */
  readonly connection: ProxyConnection | undefined;
}

/**
 * Ends a proxy: asks it to drain, then SIGTERM, then SIGKILL, each with `graceMs` to obey. Resolves when it is gone; false when it
 * survives everything.
 */
export async function endProcess(
  process: ProxyProcess,
  { drainMs, connection }: StopOptions,
  { clock, graceMs }: { readonly clock: Clock; readonly graceMs: number },
): Promise<boolean> {
  connection?.send({ type: "stop", drainMs });
  if (connection !== undefined && (await endsWithin(process, clock, drainMs + graceMs))) return true;
  if ((await process.kill("SIGTERM")) && (await endsWithin(process, clock, graceMs))) return true;
  if (!(await process.kill("SIGKILL"))) return true;
  return await endsWithin(process, clock, graceMs);
}

async function endsWithin(process: ProxyProcess, clock: Clock, timeoutMs: number): Promise<boolean> {
  const cancel = new AbortController();
  const timeout = sleep(clock, timeoutMs, cancel.signal).then(() => false);
  const isEnded = await Promise.race([process.exited.then(() => true), timeout]);
  cancel.abort();
  return isEnded;
}
