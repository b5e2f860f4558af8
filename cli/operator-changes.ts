/** The commands of `atoll operator raft` that change the membership. */
import { AtollError } from "../lib/contract/error-codes.ts";
import { formatUsage, parseFlags } from "./flags.ts";
import { httpFlags, openHttpApi } from "./http-api.ts";
import type { Subcommand } from "./subcommands.ts";

const id = { type: "string", placeholder: "id", summary: "ID of the server, as list-peers prints it." } as const;
const serverAddress = { type: "string", placeholder: "host:port", summary: "RPC address of the server." } as const;

const removeFlags = { ...httpFlags, id, address: serverAddress } as const;

export const removePeer: Subcommand = {
  summary: "Take a server out of the cluster, for good.",
  usage: formatUsage({
    synopsis: "atoll operator raft remove-peer -id=<id> | -address=<host:port>",
    description:
      "Takes a server out of the cluster. Its ID is never accepted again: wipe its data directory before it comes back.",
    flags: removeFlags,
  }),
  async run(args, io) {
    const { flags } = parseFlags({ args, flags: removeFlags });
    if ((flags.id === undefined) === (flags.address === undefined)) {
      throw new AtollError("INVALID_ARGUMENT", "give either -id or -address of the server to remove");
    }
    const api = openHttpApi({ flags, env: io.env });
    const query = flags.id === undefined ? { address: flags.address ?? "" } : { id: flags.id };
    await api.call({ method: "DELETE", path: "/v1/operator/raft/peer", query });
    const [name, value] = Object.entries(query)[0] ?? ["", ""];
    io.stdout(`Removed peer with ${name} "${value}"\n`);
    return 0;
  },
};

const transferFlags = { ...httpFlags, id } as const;

export const transferLeader: Subcommand = {
  summary: "Hand leadership to another server.",
  usage: formatUsage({
    synopsis: "atoll operator raft transfer-leader [-id=<id>]",
    description: "Hands leadership to the given voter, or to the one that is furthest.",
    flags: transferFlags,
  }),
  async run(args, io) {
    const { flags } = parseFlags({ args, flags: transferFlags });
    const api = openHttpApi({ flags, env: io.env });
    const query: Record<string, string> = flags.id === undefined ? {} : { id: flags.id };
    await api.call({ method: "POST", path: "/v1/operator/raft/transfer-leader", query });
    io.stdout("Success\n");
    return 0;
  },
};

const learnerFlags = { ...httpFlags, id, address: serverAddress } as const;

export const addLearner: Subcommand = {
  summary: "Let a server receive the log without a vote.",
  usage: formatUsage({
    synopsis: "atoll operator raft add-learner -id=<id> -address=<host:port>",
    description: "Adds a server that receives the log and has no vote. Autopilot promotes it when it is stable.",
    flags: learnerFlags,
  }),
  async run(args, io) {
    const { flags } = parseFlags({ args, flags: learnerFlags });
    if (flags.id === undefined || flags.address === undefined) {
      throw new AtollError("INVALID_ARGUMENT", "give both -id and -address of the server to add");
    }
    const api = openHttpApi({ flags, env: io.env });
    const query = { id: flags.id, address: flags.address };
    await api.call({ method: "POST", path: "/v1/operator/raft/learner", query });
    io.stdout(`Added learner with id "${flags.id}"\n`);
    return 0;
  },
};

const promoteFlags = { ...httpFlags, id } as const;

export const promote: Subcommand = {
  summary: "Make a learner a voter.",
  usage: formatUsage({
    synopsis: "atoll operator raft promote -id=<id>",
    description: "Makes a learner a voter at once. It is refused while the learner lags behind.",
    flags: promoteFlags,
  }),
  async run(args, io) {
    const { flags } = parseFlags({ args, flags: promoteFlags });
    if (flags.id === undefined) throw new AtollError("INVALID_ARGUMENT", "give the -id of the learner to promote");
    const api = openHttpApi({ flags, env: io.env });
    await api.call({ method: "POST", path: "/v1/operator/raft/promote", query: { id: flags.id } });
    io.stdout(`Promoted server with id "${flags.id}"\n`);
    return 0;
  },
};
