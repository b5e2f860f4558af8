/**
 * Whether dist/atoll works alone: started in an empty folder without an environment, it has to print its version, open
 * its database, answer HTTP, take a registration and give it back, and end when it is told to.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorMessage } from "../lib/base/errors.ts";
import { findFreePorts } from "./free-ports.ts";
import { waitFor } from "./wait-for.ts";

const executable = join(import.meta.dir, "..", "dist", "atoll");
const startTimeoutMs = 15_000;
const stopTimeoutMs = 10_000;

const folder = mkdtempSync(join(tmpdir(), "atoll-smoke-"));
let agent: ChildProcess | undefined;
let output = "";
let exitCode = 0;
try {
  const version = spawnSync(executable, ["version", "-format=json"], { cwd: folder, env: {}, encoding: "utf8" });
  console.log(`smoke: version ${JSON.parse(version.stdout).Version}`);
  await registerAndReadBack();
  console.log("smoke: ok");
} catch (thrown) {
  console.log(`smoke: failed: ${errorMessage(thrown)}\n${output}`);
  exitCode = 1;
} finally {
  agent?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
process.exit(exitCode);

async function registerAndReadBack(): Promise<void> {
  const [http = 0, rpc = 0] = await findFreePorts("127.0.0.1", 2);
  const startedMs = performance.now();
  const child = spawn(executable, ["agent", "-dev", `-http-port=${http}`, `-server-port=${rpc}`, "-dns-port=-1"], {
    cwd: folder,
    env: {},
    stdio: ["ignore", "pipe", "pipe"],
  });
  agent = child;
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += String(chunk);
    });
  }
  const ended = new AbortController();
  void exited.then((code) => ended.abort(new Error(`the agent ended by itself with ${code}`)));
  const limits = { timeoutMs: startTimeoutMs, signal: ended.signal };
  const api = `http://127.0.0.1:${http}/v1`;
  await waitFor("a leader", limits, async () => {
    const leader: unknown = await (await fetch(`${api}/status/leader`)).json();
    return leader === "" ? undefined : leader;
  });
  console.log(`smoke: agent -dev has a leader after ${Math.round(performance.now() - startedMs)} ms`);
  const body = JSON.stringify({ Name: "smoke", Port: 9999 });
  const registered = await fetch(`${api}/agent/service/register`, { method: "PUT", body });
  if (!registered.ok) throw new Error(`register answered ${registered.status}: ${await registered.text()}`);
  await waitFor("the registration in the catalog", limits, async () => {
    const instances: unknown = await (await fetch(`${api}/catalog/service/smoke`)).json();
    return Array.isArray(instances) && instances.length === 1 ? true : undefined;
  });
  child.kill("SIGTERM");
  const code = await Promise.race([exited, Bun.sleep(stopTimeoutMs).then(() => "still running" as const)]);
  if (code !== 0) throw new Error(`after SIGTERM the agent's exit code is ${code}`);
}
