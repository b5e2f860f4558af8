import { runContest, type Scenario, withCpu } from "./contest.ts";
import { mustBuildGoJudge, runGoJudge } from "./go-judge.ts";
import { haproxyPair } from "./haproxy-pair.ts";
import { atollPair, local, smallAnswer, startNginxBackend } from "./pairs.ts";

const warmUpSeconds = 1;
const measuredSeconds = 4;

/**
 * Mutual TLS 1.3 handshakes (P-256) with the inbound listener, each with one request, whose answer proves that the client's
 * certificate was taken: without tickets, and with those of earlier sessions offered.
 */
export async function benchProxyHandshake(): Promise<void> {
  await mustBuildGoJudge();
  await runContest({
    bench: "proxy-handshake",
    basePort: 27_800,
    rounds: 5,
    pairs: [atollPair("http"), haproxyPair("http")],
    scenarios: [scenario("full"), scenario("resumed")],
    startBackend: (workspace, port) =>
      startNginxBackend(workspace, port, [
        ` server { listen ${local(port)} backlog=4096; location / { return 200 "${smallAnswer}"; } }`,
      ]),
  });
}

function scenario(kind: "full" | "resumed"): Scenario {
  return {
    labels: { handshake: kind },
    compared: "cpu_us_per_handshake",
    async run(target) {
      const { certFile, keyFile, caFile } = target.workspace.files;
      const load = (seconds: number): Promise<Readonly<Record<string, number>>> =>
        runGoJudge([
          ...["handshakes", "-target", local(target.ports.mesh), "-name", "web", "-seconds", `${seconds}`],
          ...["-cert", certFile, "-key", keyFile, "-ca", caFile, `-resume=${kind === "resumed"}`],
        ]);
      await load(warmUpSeconds);
      const { result, cpuSeconds } = await withCpu(target, () => load(measuredSeconds));
      const count = result["handshakes"] ?? Number.NaN;
      return {
        cpu_us_per_handshake: (cpuSeconds * 1e6) / count,
        handshakes_per_second: count / measuredSeconds,
        resumed_share: (result["resumed"] ?? Number.NaN) / count,
        resident_mb: target.pinned.residentMb(),
      };
    },
  };
}
