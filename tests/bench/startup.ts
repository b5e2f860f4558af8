import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median, report, rounded } from "./process.ts";

const rounds = 7;
const basePort = 27_300;
const pollMs = 5;
const executable = join(import.meta.dir, "..", "..", "dist", "atoll");

/** `atoll agent --dev` from the executable: from exec to the first answer that names a leader. */
export async function benchStartup(): Promise<void> {
  if (!existsSync(executable)) throw new Error("dist/atoll is missing: run npm run build first");
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) times.push(await startOnce(basePort + round * 2));
  const sorted = times.toSorted((a, b) => a - b);
  report({
    bench: "startup",
    what: "atoll agent -dev to first leader",
    rounds,
    median_ms: rounded(median(times), 0),
    min_ms: rounded(sorted[0] ?? Number.NaN, 0),
    max_ms: rounded(sorted.at(-1) ?? Number.NaN, 0),
  });
}

async function startOnce(port: number): Promise<number> {
  const cwd = mkdtempSync(join(tmpdir(), "atoll-startup-"));
  const startMs = performance.now();
  const command = [executable, "agent", "-dev", `-http-port=${port}`, `-rpc-port=${port + 1}`, "-dns-port=-1"];
  const child = Bun.spawn(command, { cwd, stdout: "ignore", stderr: "ignore" });
  try {
    while (!(await hasLeader(port))) {
      if (child.exitCode !== null) throw new Error(`the agent exited with ${child.exitCode}`);
      if (performance.now() - startMs > 30_000) throw new Error("no leader within 30 s");
      await Bun.sleep(pollMs);
    }
    return performance.now() - startMs;
  } finally {
    child.kill("SIGINT");
    await child.exited;
    rmSync(cwd, { recursive: true, force: true });
  }
}

async function hasLeader(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/status/leader`);
    return answer.ok && /^".+:\d+"$/.test((await answer.text()).trim());
  } catch {
    return false;
  }
}
