import { eventually } from "../fakes/eventually.ts";
import type { Cluster } from "./cluster.ts";
import { type DatabasePart, flipBits, largestBytes } from "./flip-bits.ts";
import { removePeer, votersOf } from "./membership.ts";
import type { ServerProcess } from "./server-process.ts";

/** A row by its key, or the part of a file by its place and keys, as an operator needs it to look at the damage. */
const namedPlace =
  /\bkey "(?:meta|log|entry|row|state)\/[^"]+"|\btable \S+\.ldb: [^;]* at \d+ [^;]*keys "[^"]*" and "[^"]+"|\blog \S+\.log: [^;]* at \d+ is wrong/;
const minLogBytes = 6_000;
const fillTimeoutMs = 20_000;
const rejoinTimeoutMs = 40_000;

/** Kills the server, damages its database and tries to start it; what it says. */
export async function startDamaged(server: ServerProcess, part: DatabasePart): Promise<string> {
  // A server that was started a moment ago has nearly nothing in its log, and so nothing to damage.
  await eventually(
    "a log that can be damaged",
    () => largestBytes(server.dataDir, "log") >= minLogBytes,
    fillTimeoutMs,
  );
  await server.end("SIGKILL");
  if (part === "table") {
    // LevelDB sorts its log into a table when it opens.
    await server.start();
    await server.end("SIGKILL");
  }
  flipBits(server.dataDir, part);
  return await server.start().then(
    () => "it started",
    (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown)),
  );
}

/** What is wrong with the refusal of a server whose data are damaged; empty when it is as it should be. */
export function objectionTo(refusal: string): string {
  if (!refusal.includes("ended with 1")) return `the server did not end with 1: ${refusal}`;
  if (!refusal.includes("damaged")) return `the server does not say that its data are damaged: ${refusal}`;
  return namedPlace.test(refusal) ? "" : `the server does not name the row or the table: ${refusal}`;
}

/** As an operator replaces a member: takes the old id out, wipes the directory, and starts it again under a new id. */
export async function replaceMember(cluster: Cluster, server: ServerProcess): Promise<void> {
  const leader = await cluster.waitForLeader();
  const voters = await votersOf(leader);
  const old = voters.find(({ address }) => address === server.address);
  if (old === undefined) throw new Error(`${server.address} is not among the voters ${JSON.stringify(voters)}`);
  await removePeer(leader, old.id);
  server.wipe();
  await server.start();
  await eventually(
    `${server.name} as a voter under a new id`,
    async () => {
      const current = await cluster.leader();
      if (current === undefined) return false;
      const now = await votersOf(current).catch(() => []);
      return now.some(({ address, id }) => address === server.address && id !== old.id);
    },
    rejoinTimeoutMs,
  );
}
