import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCutNetwork } from "../cluster/cut-network.ts";
import { secondsUntil, service } from "../cluster/lease-world.ts";
import { findLowPorts } from "../cluster/low-ports.ts";
import { isServiceInDns } from "../cluster/service-in-dns.ts";
import { startAgentProcess } from "../mesh/agent-process.ts";
import { report, rounded } from "./process.ts";

const atoll = join(import.meta.dirname, "..", "..", "bin", "atoll");
const timeoutMs = 40_000;

/** An agent behind a cable of its own that is cut: no packet tells the server that it is gone. */
export async function cutAgent(): Promise<void> {
  await using network = await createCutNetwork();
  if (network === undefined) {
    report({ bench: "lost-agents", lost_by: "its network cut", skipped: "needs root and network namespaces" });
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), "atoll-cut-"));
  const [rpcPort = 0, httpPort = 0, dnsPort = 0] = await findLowPorts(3);
  const rpc = `${network.hostAddress}:${rpcPort}`;
  const server = await startAgentProcess({
    args: [
      "-server",
      "-bootstrap-expect=1",
      "-node=server-1",
      `-data-dir=${directory}/server-1`,
      `-bind=${network.hostAddress}`,
      `-rpc-port=${rpcPort}`,
      `-dns-port=${dnsPort}`,
    ],
    httpPort,
  });
  writeFileSync(join(directory, "agent.json"), JSON.stringify({ service: { name: service, port: 80 } }));
  const agent = Bun.spawn({
    cmd: [
      ...network.prefix,
      atoll,
      "agent",
      "-node=cut",
      `-data-dir=${directory}/cut`,
      `-bind=${network.address}`,
      `-join=${rpc}`,
      `-join-token-file=${directory}/server-1/join-token`,
      `-config-file=${directory}/agent.json`,
    ],
    stdout: Bun.file(join(directory, "agent.log")),
    stderr: Bun.file(join(directory, "agent.err")),
  });
  try {
    const isPassing = async (): Promise<boolean> => {
      const entries = await server.api("GET", `health/service/${service}?passing`);
      return Array.isArray(entries) && entries.length > 0;
    };
    const isInDns = (): Promise<boolean> => isServiceInDns(dnsPort, service);
    await secondsUntil("the agent to pass", isPassing, timeoutMs);
    await secondsUntil("it to be in DNS", isInDns, timeoutMs);
    await Bun.sleep(2_000);
    await network.cut();
    const [seconds, dnsSeconds] = await Promise.all([
      secondsUntil("the cut agent to be out", async () => !(await isPassing()), timeoutMs),
      secondsUntil("the cut agent to be out of DNS", async () => !(await isInDns()), timeoutMs),
    ]);
    report({
      bench: "lost-agents",
      lost_by: "its network cut",
      seconds: rounded(seconds),
      dns_seconds: rounded(dnsSeconds),
    });
  } finally {
    agent.kill("SIGKILL");
    await agent.exited;
    await server.end("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
}
