import { autopilotCommand } from "./client/autopilot.ts";
import type { CliCommand } from "./command.ts";
import { addLearner, promote, removePeer, transferLeader } from "./operator-changes.ts";
import { listPeers } from "./operator-list-peers.ts";
import { recover } from "./operator-recover.ts";
import { commandGroup } from "./subcommands.ts";

const raft = commandGroup({
  name: "atoll operator raft",
  description: "Looks at and changes the servers that replicate the catalog.",
  commands: new Map([
    ["list-peers", listPeers],
    ["remove-peer", removePeer],
    ["transfer-leader", transferLeader],
    ["add-learner", addLearner],
    ["promote", promote],
    ["recover", recover],
  ]),
});

/** `atoll operator`: what keeps a cluster of servers going. */
export const operatorCommand: CliCommand = commandGroup({
  name: "atoll operator",
  description: "Keeps a cluster of servers going.",
  commands: new Map([
    ["autopilot", autopilotCommand],
    ["raft", raft],
  ]),
});
