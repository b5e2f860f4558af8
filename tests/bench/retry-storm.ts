import { join } from "node:path";
import { runContest, type Scenario, type Target } from "./contest.ts";
import { haproxyPair } from "./haproxy-pair.ts";
import { atollPair, local } from "./pairs.ts";
import { loadCore, startPinned } from "./process.ts";
import { tryWrk } from "./wrk.ts";

const failingPercent = 50;
const attempts = 3;
const connections = 64;
/** Requests under way at the end reach the application and are not counted by the client: 1 % after 5 s, if answers take 50 ms. */
const seconds = 10;

/**
 * An application that fails half of its requests, behind a pair that retries each up to three times: how many requests reach it for one
 * of a client. Ours with its budget of 20 % and with none to speak of, HAProxy with as many retries; it has no budget. The application
 * answers at once, and after 50 ms, when many are under way.
 */
export async function benchRetryStorm(): Promise<void> {
  const retry = { attempts, on: ["5xx"] };
  const noBudget = { percent: 100, minConcurrent: 1_000_000, minPerSecond: 1_000_000 };
  await runContest({
    bench: "retry-storm",
    basePort: 28_900,
    rounds: 3,
    pairs: [
      atollPair("http", { name: "atoll", outbound: { retry } }),
      atollPair("http", { name: "atoll-without-budget", outbound: { retry: { ...retry, budget: noBudget } } }),
      haproxyPair("http-over-h2", { more: { peer: [` retries ${attempts}`, " retry-on 503", " option redispatch"] } }),
    ],
    scenarios: [storm(0), storm(50)],
    startBackend: (workspace, port) =>
      startPinned({
        name: "failing",
        command: [process.execPath, join(import.meta.dir, "load", "failing.ts"), `${port}`],
        core: loadCore,
        readyPort: port,
        cwd: workspace.directory,
      }),
  });
}

function storm(answerMs: number): Scenario {
  return {
    labels: { failing_percent: failingPercent, attempts, answer_ms: answerMs, connections },
    compared: "reached_per_request",
    async run(target) {
      await ask(target, `set?failing=${failingPercent}&ms=${answerMs}`);
      const load = await tryWrk({ port: target.ports.listen, connections, seconds });
      const reached = await ask(target, "count");
      return {
        requests: load.requests,
        reached_per_request: reached / load.requests,
        failed_share: load.failures / load.requests,
      };
    },
  };
}

async function ask({ ports }: Target, path: string): Promise<number> {
  return Number(await (await fetch(`http://${local(ports.backend)}/${path}`)).json());
}
