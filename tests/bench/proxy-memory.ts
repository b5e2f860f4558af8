import { existsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runContest, type Scenario, type Target } from "./contest.ts";
import { mustBuildGoJudge } from "./go-judge.ts";
import { haproxyPair } from "./haproxy-pair.ts";
import { atollPair, executable, local, smallAnswer, startNginxBackend } from "./pairs.ts";
import { loadCore, mustFind } from "./process.ts";

const idleConnections = 10_000;
/** So that what is measured as idle is: a proxy may tidy up after the requests first. */
const idleMs = 15_000;
const slowReaders = 1_000;
const slowSeconds = 5;
const largeMb = 64;

/**
 * Resident memory of the built executable with both hops: idle; with 10,000 keep-alive connections of clients that were answered
 * once, some seconds ago; with 1,000 clients that read a large answer at 160 KB/s each, at the worst moment of some seconds.
 */
export async function benchProxyMemory(): Promise<void> {
  if (!existsSync(executable)) throw new Error("dist/atoll is missing: run npm run build first");
  const judge = await mustBuildGoJudge();
  await runContest({
    bench: "proxy-memory",
    basePort: 28_000,
    rounds: 3,
    isFreshEach: true,
    pairs: [atollPair("http", { program: executable }), haproxyPair("http"), haproxyPair("http-over-h2")],
    scenarios: [idle, idleConnectionsOf(judge), slowReadersOf(judge)],
    startBackend(workspace, port) {
      const file = join(workspace.directory, "large.bin");
      writeFileSync(file, "");
      truncateSync(file, largeMb * 1024 ** 2);
      return startNginxBackend(workspace, port, [
        ` sendfile on; server { listen ${local(port)} backlog=4096; location / { return 200 "${smallAnswer}"; }`,
        `  location /large.bin { root ${workspace.directory}; } }`,
      ]);
    },
  });
}

const idle: Scenario = {
  labels: { state: "idle" },
  compared: "resident_mb",
  async run(target) {
    await Bun.sleep(1_000);
    return { resident_mb: target.pinned.residentMb() };
  },
};

function idleConnectionsOf(judge: string): Scenario {
  return {
    labels: { state: "idle connections", connections: idleConnections },
    compared: "bytes_per_connection",
    async run(target) {
      // What the first connections make it load and allocate is not theirs.
      await (await hold(judge, target, ["-connections", "100"])).release();
      await Bun.sleep(idleMs);
      const before = target.pinned.residentMb();
      const held = await hold(judge, target, ["-connections", `${idleConnections}`]);
      await Bun.sleep(idleMs);
      const resident = target.pinned.residentMb();
      await held.release();
      return { bytes_per_connection: ((resident - before) * 1024 ** 2) / idleConnections, resident_mb: resident };
    },
  };
}

function slowReadersOf(judge: string): Scenario {
  return {
    labels: { state: "slow readers", connections: slowReaders, answer_mb: largeMb },
    compared: "kb_per_reader",
    async run(target) {
      await (await hold(judge, target, ["-connections", "100"])).release();
      const before = target.pinned.residentMb();
      const slow = ["-connections", `${slowReaders}`, "-path", "/large.bin", "-slow-bytes", "16384"];
      const held = await hold(judge, target, slow);
      let worst = 0;
      for (let second = 0; second < slowSeconds * 4; second++) {
        worst = Math.max(worst, target.pinned.residentMb());
        await Bun.sleep(250);
      }
      await held.release();
      return { kb_per_reader: ((worst - before) * 1024) / slowReaders, peak_resident_mb: worst };
    },
  };
}

/** Resolves when all connections stand. */
async function hold(judge: string, target: Target, args: readonly string[]): Promise<{ release(): Promise<void> }> {
  const command = [mustFind("taskset"), "-c", `${loadCore}`, judge, "hold", "-target", local(target.ports.listen)];
  const child = Bun.spawn([...command, ...args], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  const first = await child.stdout.getReader().read();
  if (first.done) throw new Error(`the connections could not be held: ${await new Response(child.stderr).text()}`);
  return {
    async release() {
      await child.stdin.end();
      await child.exited;
    },
  };
}
