/**
 * A program to be killed: opens the log in the directory of its first argument, prints what it recovered, then writes
 * numbered services as fast as it can and prints each number once it is acknowledged.
 */
import { writeSync } from "node:fs";
import { openRaftLog } from "../../../../server/raft/shell/raft-log.ts";
import { createState } from "../../../../server/state/state.ts";
import { createTestRuntime } from "../../../fakes/test-runtime.ts";
import { registerCommand, serviceFields } from "../../state/records.ts";
import { openDisk } from "./disk.ts";
import { noPeers } from "./one-server.ts";

const [directory = "", firstNumber = "0", stopAfterRecovery = ""] = process.argv.slice(2);
const writers = 16;

const state = createState();
const log = openRaftLog({
  disk: await openDisk(directory),
  machine: state,
  wire: noPeers,
  runtime: createTestRuntime(),
  onFatal: (error) => say(`fatal ${error.message}`),
});
log.advertise("127.0.0.1:8300");
await log.waitForLeader(AbortSignal.timeout(10_000));
// What was acknowledged may be in the log only: it is applied once this server leads.
await log.readIndex();
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
