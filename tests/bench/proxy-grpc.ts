import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readProblems } from "../judges/grpc-contract.ts";
import { runProgram } from "../judges/programs.ts";
import { speaksHttp2 } from "../judges/speaks-http2.ts";
import { runContest, type Scenario, type Target, withCpu } from "./contest.ts";
import { mustBuildGoJudge, runGoJudge } from "./go-judge.ts";
import { grpcFrame, grpcHeaders } from "./h2load.ts";
import { haproxyPair } from "./haproxy-pair.ts";
import { atollPair, local } from "./pairs.ts";
import { loadCore, startPinned } from "./process.ts";
import { h2loadScenario, warmUpWith } from "./proxy-http2.ts";

const messageBytes = 100;
const streamSeconds = 4;

/**
 * gRPC through the pair to a server in Go: unary calls of 100 bytes each way from h2load, and server streams of such
 * messages to clients in Go. Each started pair is first checked by a gRPC client, 200 calls at once and answers of 4 MB
 * among its checks; for those HAProxy is set up as `HaproxyOptions` says.
 */
export async function benchProxyGrpc(): Promise<void> {
  const judge = await mustBuildGoJudge();
  const directory = mkdtempSync(join(tmpdir(), "atoll-grpc-"));
  const bodyFile = join(directory, "unary.bin");
  writeFileSync(bodyFile, grpcFrame(Buffer.alloc(messageBytes, "x")));
  const unary = { path: "/atoll.judge.Echo/Unary", bodyFile, headers: grpcHeaders };
  try {
    await runContest({
      bench: "proxy-grpc",
      basePort: 27_700,
      rounds: 5,
      pairs: [atollPair("grpc"), haproxyPair("http2", { hasTrailers: true })],
      facts: { atoll_speaks_http2: await speaksHttp2("grpc") },
      warmUp: warmUpWith(unary),
      scenarios: [
        h2loadScenario({ connections: 16, streams: 1 }, unary, { call: "unary" }),
        h2loadScenario({ connections: 16, streams: 10 }, unary, { call: "unary" }),
        streamScenario({ connections: 4, streams: 4 }),
      ],
      startBackend: (workspace, port) =>
        startPinned({
          name: "backend",
          command: [judge, "grpc-serve", "-listen", local(port)],
          core: loadCore,
          readyPort: port,
          cwd: workspace.directory,
        }),
      verify: (target) => verify(judge, target),
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** h2load takes a call that failed with HTTP status 200 for a success; this one does not. */
async function verify(judge: string, target: Target): Promise<void> {
  const { stdout, stderr } = await runProgram([judge, "grpc-check", "-target", local(target.ports.listen)]);
  const bad = [...readProblems(stdout)].filter(([, problem]) => problem !== "");
  if (stdout === "" || bad.length > 0)
    throw new Error(`${target.pinned.name} fails gRPC: ${JSON.stringify(bad)}${stderr}`);
}

function streamScenario(shape: { readonly connections: number; readonly streams: number }): Scenario {
  return {
    labels: { call: "server stream", ...shape },
    compared: "cpu_us_per_message",
    async run(target) {
      const load = (seconds: number): Promise<Readonly<Record<string, number>>> =>
        runGoJudge([
          ...["grpc-load", "-target", local(target.ports.listen), "-size", `${messageBytes}`, "-seconds", `${seconds}`],
          ...["-connections", `${shape.connections}`, "-streams", `${shape.streams}`],
        ]);
      await load(1);
      const { result, cpuSeconds } = await withCpu(target, () => load(streamSeconds));
      const messages = result["messages"] ?? Number.NaN;
      return {
        cpu_us_per_message: (cpuSeconds * 1e6) / messages,
        messages_per_second: messages / streamSeconds,
        resident_mb: target.pinned.residentMb(),
      };
    },
  };
}
