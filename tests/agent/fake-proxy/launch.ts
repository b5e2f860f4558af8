import { fileURLToPath } from "node:url";
import type { ProxyLaunch } from "../../../agent/proxy-sessions.ts";
import { systemProcesses } from "../../../agent/proxies/processes.ts";
import { eventually } from "../../fakes/eventually.ts";

/** Launches the stand-in with the given misbehaviour, as in `{ FAKE_PROXY_MUTE: "1" }`. */
export function fakeProxyLaunch(misbehaviour: Readonly<Record<string, string>> = {}): ProxyLaunch {
  return {
    program: [process.execPath, fileURLToPath(new URL("main.ts", import.meta.url))],
    env: { PATH: process.env["PATH"], ...misbehaviour },
    revision: misbehaviour["FAKE_PROXY_REVISION"] ?? "",
    exitWithAgent: false,
  };
}

export async function isRunning(pid: number): Promise<boolean> {
  return (await systemProcesses.commandLine(pid)) !== undefined;
}

export async function untilGone(pid: number): Promise<void> {
  await eventually(`the end of process ${pid}`, async () => !(await isRunning(pid)));
}
