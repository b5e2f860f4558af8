import { Type } from "typebox";
import type { Static } from "typebox";
import { Compile } from "typebox/compile";
import { AtollError } from "../lib/contract/error-codes.ts";
import { formatUsage, parseFlags } from "./flags.ts";
import { httpFlags, openHttpApi } from "./http-api.ts";
import type { Subcommand } from "./subcommands.ts";
import { formatTable } from "./table.ts";

const Configuration = Type.Object({
  Servers: Type.Array(
    Type.Object({
      ID: Type.String(),
      Node: Type.String(),
      Address: Type.String(),
      Leader: Type.Boolean(),
      ProtocolVersion: Type.String(),
      Voter: Type.Boolean(),
      LastIndex: Type.Integer(),
    }),
  ),
});
type Server = Static<typeof Configuration>["Servers"][number];

/** `atoll operator raft list-peers`: Consul's table, column for column. */
export const listPeers: Subcommand = {
  summary: "List the servers, who leads and how far each is.",
  usage: formatUsage({
    synopsis: "atoll operator raft list-peers [options]",
    description: "Prints the servers of the cluster, one per line.",
    flags: httpFlags,
    examples: ["atoll operator raft list-peers", "atoll operator raft list-peers -stale"],
  }),
  async run(args, io) {
    const { flags } = parseFlags({ args, flags: httpFlags });
    const api = openHttpApi({ flags, env: io.env });
    const answer = await api.json({ method: "GET", path: "/v1/operator/raft/configuration" });
    if (!Compile(Configuration).Check(answer)) {
      throw new AtollError("INTERNAL", "the answer is not the configuration of a cluster of servers");
    }
    io.stdout(peersTable(answer.Servers));
    return 0;
  },
};

function peersTable(servers: readonly Server[]): string {
  const leader = servers.find((server) => server.Leader);
  const header = ["Node", "ID", "Address", "State", "Voter", "RaftProtocol", "Commit Index", "Trails Leader By"];
  return formatTable([
    header,
    ...servers.map((server) => [
      server.Node,
      server.ID,
      server.Address,
      server.Leader ? "leader" : "follower",
      String(server.Voter),
      server.ProtocolVersion,
      String(server.LastIndex),
      trails(server, leader),
    ]),
  ]);
}

function trails(server: Server, leader: Server | undefined): string {
  if (server.Leader || leader === undefined) return "-";
  const commits = Math.max(0, leader.LastIndex - server.LastIndex);
  return commits === 1 ? "1 commit" : `${commits} commits`;
}
