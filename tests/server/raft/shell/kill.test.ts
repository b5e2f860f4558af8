import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createSeededRandom } from "../../../../lib/base/random.ts";
import { createTempDir } from "../../../fakes/temp-dir.ts";

/** ATOLL_TEST_KILL_ROUNDS asks for more. */
const rounds = Number(process.env["ATOLL_TEST_KILL_ROUNDS"] ?? 10);
const child = join(import.meta.dirname, "kill-child.ts");

interface Run {
  readonly recovered: ReadonlySet<string>;
  readonly acknowledged: readonly string[];
}

/** Runs the child until it is killed after `killAfter` acknowledged writes; 0 lets it recover and stop by itself. */
function runChild(directory: string, firstNumber: number, killAfter: number): Promise<Run> {
  const args = [child, directory, String(firstNumber), ...(killAfter === 0 ? ["stop"] : [])];
  const running = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const acknowledged: string[] = [];
  let recovered: ReadonlySet<string> | undefined;
  let rest = "";
  let errors = "";
  running.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  running.stdout.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [what, ...words] = line.split(" ");
      if (what === "recovered") recovered = new Set((words[1] ?? "").split(","));
      if (what === "acknowledged") acknowledged.push(words[0] ?? "");
      if (what === "fatal") errors += line;
    }
    if (killAfter > 0 && acknowledged.length >= killAfter) running.kill("SIGKILL");
  });
  return new Promise((resolve, reject) => {
    running.on("error", reject);
    running.on("close", (code, signal) => {
      const isExpected = killAfter === 0 ? code === 0 : signal === "SIGKILL";
      if (recovered === undefined || !isExpected || errors !== "") {
        reject(new Error(`the child ended with ${code ?? signal}: ${errors}`));
      } else {
        resolve({ recovered, acknowledged });
      }
    });
  });
}

test(
  `a server that is killed at any moment has every acknowledged write after its restart (${rounds} rounds)`,
  async () => {
    using directory = createTempDir();
    const random = createSeededRandom(4711);
    const acknowledged: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const killAfter = 1 + Math.floor(random.float() * 600);
      const run = await runChild(directory.path, round * 100_000, killAfter);
      expect(acknowledged.filter((id) => !run.recovered.has(id))).toEqual([]);
      expect(run.acknowledged.length).toBeGreaterThanOrEqual(killAfter);
      acknowledged.push(...run.acknowledged);
    }
    const last = await runChild(directory.path, 0, 0);
    expect(acknowledged.filter((id) => !last.recovered.has(id))).toEqual([]);
    expect(last.recovered.size).toBeGreaterThanOrEqual(acknowledged.length);
  },
  6_000 * rounds,
);
