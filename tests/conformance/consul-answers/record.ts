import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePorts } from "../../../tools/free-ports.ts";
import { eventually } from "../../fakes/eventually.ts";
import { type Answer, Asker } from "./answer.ts";
import { lean } from "./lean.ts";
import { closedConfig, nodeName, rootToken, transcripts } from "./transcripts.ts";

/**
 * Asks a real Consul all transcripts and keeps its answers, to be compared with Atoll's in every test run.
 *   bin/run-bun tests/conformance/consul-answers/record.ts PATH-OF-CONSUL
 */
const [consul = ""] = process.argv.slice(2);
if (consul === "") {
  process.stderr.write("Give the path of a Consul executable, of a version under the Mozilla licence: at most 1.16\n");
  process.exit(2);
}

const lines: string[] = [];
const directory = mkdtempSync(join(tmpdir(), "atoll-record-"));
const closedFile = join(directory, "acl.json");
writeFileSync(closedFile, JSON.stringify(closedConfig));
for (const [list, args] of [
  [transcripts.open, []],
  [transcripts.closed, [`-config-file=${closedFile}`]],
] as const) {
  const ports = await findFreePorts("127.0.0.1", 6);
  const names = ["http", "server", "serf-lan", "serf-wan", "grpc", "grpc-tls"];
  const portFlags = names.map((name, i) => `-${name}-port=${ports[i]}`);
  const command = [
    consul,
    "agent",
    "-dev",
    `-node=${nodeName}`,
    "-bind=127.0.0.1",
    "-dns-port=-1",
    ...portFlags,
    ...args,
  ];
  const child = Bun.spawn(command, { stdout: "ignore", stderr: "inherit" });
  try {
    const base = `http://127.0.0.1:${ports[0]}`;
    await eventually("the node in the catalog", async () => await isReady(base), 30_000);
    const asker = new Asker(base, { root: rootToken });
    for (const step of list.flatMap(({ steps }) => steps)) {
      const answer: Answer = lean(await asker.ask(step));
      lines.push(JSON.stringify(answer));
    }
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}
rmSync(directory, { recursive: true, force: true });
writeFileSync(join(import.meta.dir, "answers.jsonl"), `${lines.join("\n")}\n`);
process.stdout.write(`${lines.length} answers of Consul kept\n`);

/** The agent has synced: before that the leader has registered the node, with less about it. */
async function isReady(base: string): Promise<boolean> {
  const answer = await fetch(`${base}/v1/catalog/nodes?filter=TaggedAddresses.lan+!=+""`, {
    headers: { "X-Consul-Token": rootToken },
  }).catch(() => undefined);
  return answer?.ok === true && ((await answer.json()) as unknown[]).length > 0;
}
