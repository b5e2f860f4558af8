import type { CliCommand } from "./command.ts";

/**
 * Every sub-command by name. Each is imported when it is run and not before: a proxy must not pay the start-up time and
 * the memory of the servers' HTTP framework, storage and RPC.
 */
export interface CommandEntry {
  /** One line for the list of commands. */
  readonly summary: string;
  load(): Promise<CliCommand>;
}

export const commands: ReadonlyMap<string, CommandEntry> = new Map<string, CommandEntry>([
  [
    "agent",
    {
      summary: "Run the agent of a node, and a server beside it",
      load: async () => (await import("./agent.ts")).agentCommand,
    },
  ],
  [
    "force-leave",
    {
      summary: "Take a node that is gone out of the cluster",
      load: async () => (await import("./force-leave.ts")).forceLeaveCommand,
    },
  ],
  ["join", { summary: "Tell an agent of one more server", load: async () => (await import("./join.ts")).joinCommand }],
  ["leave", { summary: "Have an agent leave and end", load: async () => (await import("./leave.ts")).leaveCommand }],
  [
    "kv",
    {
      summary: "Read and write keys",
      load: async () => (await import("./kv.ts")).kvCommand,
    },
  ],
  [
    "members",
    { summary: "List who is in the cluster", load: async () => (await import("./members.ts")).membersCommand },
  ],
  [
    "operator",
    {
      summary: "Look at and change the cluster of servers",
      load: async () => (await import("./operator.ts")).operatorCommand,
    },
  ],
  [
    "proxy",
    {
      summary: "Run one proxy of the data plane",
      load: async () => (await import("./proxy.ts")).proxyCommand,
    },
  ],
  [
    "snapshot",
    {
      summary: "Save, restore and inspect the state of the servers",
      load: async () => (await import("./snapshot.ts")).snapshotCommand,
    },
  ],
  [
    "version",
    {
      summary: "Print the version of this executable",
      load: async () => (await import("./version.ts")).versionCommand,
    },
  ],
]);
