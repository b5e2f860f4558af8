/** Offline recovery of one server's data directory, by command or by a `peers.json` that lies in it at the start. */
import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { systemErrorCode } from "../../lib/base/errors.ts";
import type { Logger } from "../../lib/base/logger.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { openLevelStore } from "../log/level-store.ts";
import { parsePeersFile } from "./shell/peers-file.ts";
import { type MembershipRewrite, rewriteMembership } from "./shell/rewrite-membership.ts";
import { checkFiles } from "./shell/file-check.ts";

export interface RecoverOptions {
  /** The agent's data directory; the server's database is in `server/` under it. */
  readonly dataDir: string;
  readonly datacenter: string;
  readonly peersPath: string;
}

/** Rejects with `DATA_DIR_LOCKED` while the server runs. */
export async function recoverFromPeers(options: RecoverOptions): Promise<MembershipRewrite> {
  const text = await readOptional(options.peersPath);
  if (text === undefined) throw new AtollError("CONFIG_INVALID", `there is no peers file ${options.peersPath}`);
  const peers = parsePeersFile(text, options.peersPath);
  const directory = join(options.dataDir, "server");
  // A database always has this file; opening one that is not there would make it.
  if ((await readOptional(join(directory, "CURRENT"))) === undefined) {
    throw new AtollError("NOT_FOUND", `there is no server's data in ${directory}`);
  }
  await checkFiles(directory);
  const store = await openLevelStore(directory);
  try {
    return await rewriteMembership({ store, directory, datacenter: options.datacenter, peers });
  } finally {
    await store.close();
  }
}

/**
 * Does it when `<data-dir>/server/peers.json` is there, before the server opens its database, and renames the file so
 * that the next start does not do it again.
 */
export async function recoverAtStart(options: {
  readonly dataDir: string;
  readonly datacenter: string;
  readonly logger: Logger;
}): Promise<void> {
  const peersPath = join(options.dataDir, "server", "peers.json");
  if ((await readOptional(peersPath)) === undefined) return;
  options.logger.warn("peers.json found: rewriting who takes part in this cluster", { peersPath });
  const done = await recoverFromPeers({ ...options, peersPath });
  await rename(peersPath, `${peersPath}.done`);
  for (const line of describeRewrite(done)) options.logger.warn(line);
}

/** What happened, loudly: it is the one operation that can lose acknowledged writes. */
export function describeRewrite(done: MembershipRewrite): readonly string[] {
  const servers = (membership: MembershipRewrite["before"]): string =>
    [...membership.voters, ...membership.learners]
      .map(
        (id) =>
          `${id} (${membership.addresses[id] ?? "no address"}${membership.learners.includes(id) ? ", learner" : ""})`,
      )
      .join(", ") || "nobody";
  return [
    `MEMBERSHIP REWRITTEN on server ${done.nodeId}`,
    `before: ${servers(done.before)}`,
    `now: ${servers(done.after)}`,
    `the cluster's id was ${done.clusterIdBefore} and is now ${done.clusterIdAfter}: servers of the old one cannot take part any more`,
    `this server's log ends at ${done.lastIndex}, of which ${done.commitIndex} was known to be committed; writes that only lost servers had are LOST`,
    "do the same, with the same file, on every server that it names before you start any of them",
  ];
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
}
