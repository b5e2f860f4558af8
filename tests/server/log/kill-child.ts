/**
 * A program to be killed: opens the log in the directory of its first argument, prints what it recovered, then writes
 * numbered services as fast as it can and prints each number once it is acknowledged.
 */
import { writeSync } from "node:fs";
import { openLevelStore } from "../../../server/log/level-store.ts";
import { openSingleServerLog } from "../../../server/log/single-server-log.ts";
import { createState } from "../../../server/state/state.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { registerCommand, serviceFields } from "../state/records.ts";

const [directory = "", firstNumber = "0", stopAfterRecovery = ""] = process.argv.slice(2);
const writers = 16;

const state = createState();
const log = await openSingleServerLog({
  store: await openLevelStore(directory),
  directory,
  machine: state,
  expected: { datacenter: "dc1" },
  runtime: createTestRuntime(),
  onFatal: (error) => say(`fatal ${error.message}`),
});
const recovered = state.reader.nodeServices("n1").value.map((service) => service.ID);
say(`recovered ${state.reader.appliedIndex()} ${recovered.join(",")}`);

if (stopAfterRecovery === "") await Promise.all(Array.from({ length: writers }, write));
await log.stop();

async function write(_: unknown, writer: number): Promise<void> {
  for (let number = Number(firstNumber) + writer; ; number += writers) {
    const id = String(number);
    await log.propose(registerCommand("n1", { service: serviceFields(`s${number % 10}`, { ID: id }) }));
    say(`acknowledged ${id}`);
  }
}

/** Straight to the pipe: a line that the parent has read was acknowledged before the kill. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}
