import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePorts } from "../../tools/free-ports.ts";
import { type AgentProcess, startAgentProcess } from "../mesh/agent-process.ts";
import { findProgram, goClient, type Program, runProgram } from "./programs.ts";

/**
 * Consul's clients that we did not write, on real agents: HashiCorp's own for Go, `consul` from npm and `py-consul` for Python. Each prints a line
 * of JSON per method of its client; none may fail, and a method that nobody calls has failed.
 */
interface Outcome {
  readonly method: string;
  readonly outcome: "passed" | "failed" | "skipped";
  readonly detail?: string;
}

const management = "5d2a64c9-1f3c-4bd5-9e0e-7a6b43a1c0de";
const clientTimeoutMs = 120_000;
const directory = mkdtempSync(join(tmpdir(), "atoll-clients-"));
let agents: AgentProcess[] = [];

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** One agent without ACLs and one with. */
async function startAgents(): Promise<{ readonly open: number; readonly guarded: number }> {
  const [open = 0, openRpc = 0, guarded = 0, guardedRpc = 0] = await findFreePorts("127.0.0.1", 4);
  const config = join(directory, "acl.json");
  writeFileSync(config, JSON.stringify({ acl: { enabled: true, tokens: { initial_management: management } } }));
  agents = await Promise.all([
    startAgentProcess({ args: ["-dev", `-server-port=${openRpc}`, "-dns-port=-1"], httpPort: open }),
    startAgentProcess({
      args: ["-dev", `-config-file=${config}`, `-server-port=${guardedRpc}`, "-dns-port=-1"],
      httpPort: guarded,
      token: management,
    }),
  ]);
  return { open, guarded };
}

function outcomesOf(stdout: string): readonly Outcome[] {
  return stdout
    .trim()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}

function judge(outcomes: readonly Outcome[], atLeast: number): void {
  const count = (outcome: Outcome["outcome"]): number => outcomes.filter((one) => one.outcome === outcome).length;
  process.stdout.write(`passed ${count("passed")}, failed ${count("failed")}, skipped ${count("skipped")}\n`);
  const failed = outcomes.filter(({ outcome }) => outcome === "failed");
  expect(failed.map(({ method, detail }) => `${method}: ${detail}`)).toEqual([]);
  expect(count("passed")).toBeGreaterThanOrEqual(atLeast);
}

const go = await goClient();
const python = await pythonWithClient();

describe("every method", () => {
  let ports: { readonly open: number; readonly guarded: number };

  beforeAll(async () => {
    ports = await startAgents();
  }, 60_000);

  afterAll(async () => {
    await Promise.all(agents.map((agent) => agent.end("SIGKILL")));
  });

  test("of the npm client", async () => {
    const script = join(import.meta.dirname, "consul-node.mjs");
    const { stdout, stderr } = await runProgram([process.execPath, script, `${ports.open}`], {
      timeoutMs: clientTimeoutMs,
    });
    expect(stderr).toBe("");
    judge(outcomesOf(stdout), 59);
  }, 150_000);

  test.skipIf(python.isMissing)(
    `of the Python client${python.note}`,
    async () => {
      const script = join(import.meta.dirname, "consul-python.py");
      const command = [python.path, script, `${ports.open}`, `${ports.guarded}`, management];
      const { stdout, stderr } = await runProgram(command, { timeoutMs: clientTimeoutMs });
      expect(stderr).toBe("");
      judge(outcomesOf(stdout), 90);
    },
    150_000,
  );

  // Last: it ends its agent.
  test.skipIf(go.isMissing)(
    `of the Go client${go.note}`,
    async () => {
      const addresses = [`127.0.0.1:${ports.open}`, `127.0.0.1:${ports.guarded}`];
      const { stdout } = await runProgram([go.path, ...addresses, management], { timeoutMs: clientTimeoutMs });
      judge(outcomesOf(stdout), 200);
    },
    150_000,
  );
});

async function pythonWithClient(): Promise<Program> {
  const program = findProgram("python3");
  if (program.isMissing) return program;
  const { code } = await runProgram([program.path, "-c", "import consul"]);
  return code === 0
    ? program
    : { ...program, isMissing: true, note: " (skipped: no py-consul; pip install py-consul)" };
}
