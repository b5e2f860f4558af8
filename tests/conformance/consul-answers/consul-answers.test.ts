import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePorts } from "../../../tools/free-ports.ts";
import { eventually } from "../../fakes/eventually.ts";
import { type AgentProcess, startAgentProcess } from "../../mesh/agent-process.ts";
import { type Answer, Asker } from "./answer.ts";
import { type Difference, differenceOf, differences } from "./differences.ts";
import { lean } from "./lean.ts";
import type { Step } from "./step.ts";
import { closedConfig, nodeName, rootToken, transcripts } from "./transcripts.ts";

/**
 * The answers of a real Consul, kept by `record.ts`, beside those of a real Atoll agent to the same requests in the same order. Where an
 * answer is a refusal, statuses are compared and the words that programs look for; all else is compared field by field.
 */
const answers = readFileSync(join(import.meta.dir, "answers.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Answer);

/** Texts of refusals that clients and scripts are known to look for. */
const soughtTexts = [
  "ACL not found",
  "ACL support disabled",
  "Config entry not found",
  "Invalid URL path",
  "No path to datacenter",
  "Permission denied",
  "Unknown check ID",
  "Unknown service ID",
  "unknown service ID",
];

/** A sentence that says what is between the two answers; undefined when nothing is. */
function difference(consul: Answer, atoll: Answer): string | undefined {
  if (consul.status < 400 || atoll.status < 400) {
    // More about how a read was answered is no harm.
    const headers = Object.fromEntries(Object.entries(atoll.headers).filter(([name]) => name in consul.headers));
    return Bun.deepEquals(consul, { ...atoll, headers })
      ? undefined
      : `${JSON.stringify(atoll)}\nis not Consul's\n${JSON.stringify(consul)}`;
  }
  // Consul blames itself for much of what the request did wrong.
  const isBlameMoved = consul.status === 500 && atoll.status < 500;
  if (consul.status !== atoll.status && !isBlameMoved) return `status ${atoll.status}, Consul's is ${consul.status}`;
  const missing = soughtTexts.find((text) => String(consul.body).includes(text) && !String(atoll.body).includes(text));
  return missing === undefined ? undefined : `${JSON.stringify(atoll.body)} does not say "${missing}"`;
}

/** The differences that there are, of those that are known. */
const seen = new Set<Difference>();
let next = 0;
for (const [which, list] of Object.entries(transcripts)) {
  describe(`an agent with ${which === "open" ? "ACLs off" : "ACLs on"}`, () => {
    const directory = mkdtempSync(join(tmpdir(), "atoll-answers-"));
    let agent: AgentProcess;
    let asker: Asker;
    beforeAll(async () => {
      const [httpPort = 0, serverPort] = await findFreePorts("127.0.0.1", 2);
      const file = join(directory, "agent.json");
      writeFileSync(file, JSON.stringify(which === "open" ? {} : closedConfig));
      const args = [
        "-dev",
        `-node=${nodeName}`,
        "-bind=127.0.0.1",
        `-server-port=${serverPort}`,
        `-config-file=${file}`,
      ];
      agent = await startAgentProcess({ args, httpPort, token: rootToken });
      await eventually(
        "the server's service in the catalog",
        async () => ((await agent.api("GET", "catalog/service/consul")) as readonly unknown[]).length > 0,
      );
      asker = new Asker(`http://127.0.0.1:${httpPort}`, { root: rootToken });
    });
    afterAll(async () => {
      await agent.end("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    });

    for (const { name, steps } of list) {
      const begin = next;
      next += steps.length;
      test(`answers as Consul does about ${name}`, async () => {
        const problems: string[] = [];
        for (const [i, step] of steps.entries()) {
          const consul = answers[begin + i];
          if (consul?.request !== step.request) throw new Error(`record the answers again: ${step.request} is new`);
          const found = difference(consul, lean(await asker.ask(step)));
          if (found === undefined) continue;
          const known = differenceOf(step);
          if (known === undefined) problems.push(`${said(step)}\n${found}`);
          else seen.add(known);
        }
        expect(problems.join("\n\n")).toBe("");
      });
    }
  });
}

test("every answer that is kept is compared, and no difference is listed that is none", () => {
  expect(next).toBe(answers.length);
  expect(differences.filter((one) => !seen.has(one))).toEqual([]);
});

function said({ request, body }: Step): string {
  return `${request} ${body === undefined ? "" : JSON.stringify(body).slice(0, 200)}`;
}
