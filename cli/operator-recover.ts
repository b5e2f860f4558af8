import { AtollError } from "../lib/contract/error-codes.ts";
import { describeRewrite, recoverFromPeers } from "../server/raft/recover-peers.ts";
import { formatUsage, parseFlags } from "./flags.ts";
import type { Subcommand } from "./subcommands.ts";

const flags = {
  "data-dir": { type: "string", placeholder: "path", summary: "Data directory of the stopped server." },
  peers: {
    type: "string",
    placeholder: "file",
    summary: "JSON list of the servers that are left: id, address, non_voter.",
  },
  datacenter: { type: "string", placeholder: "name", summary: "Datacenter of the data; dc1 by default." },
} as const;

/** `atoll operator raft recover`: makes a cluster of the servers that are left. */
export const recover: Subcommand = {
  summary: "Offline: rewrite who takes part after a quorum was lost.",
  usage: formatUsage({
    synopsis: "atoll operator raft recover -data-dir=<path> -peers=<file>",
    description:
      "For when more than half of the servers are gone for good. Stop the servers that are left, run this on each of them with the same file, then start them. Writes that only the lost servers had are lost, and the lost servers may never come back with their old data. The same happens at a start when the file lies in <data-dir>/server/peers.json.",
    flags,
    examples: ["atoll operator raft recover -data-dir=/var/lib/atoll -peers=peers.json"],
  }),
  async run(args, io) {
    const given = parseFlags({ args, flags }).flags;
    const [dataDir, peersPath] = [given["data-dir"], given.peers];
    if (dataDir === undefined || peersPath === undefined) {
      throw new AtollError("INVALID_ARGUMENT", "give both -data-dir and -peers");
    }
    const done = await recoverFromPeers({ dataDir, datacenter: given.datacenter ?? "dc1", peersPath });
    io.stdout(
      describeRewrite(done)
        .map((line) => `==> ${line}\n`)
        .join(""),
    );
    return 0;
  },
};
