import type { CommandEntry } from "../commands.ts";

/** The commands that ask an agent, and those that Consul's users expect beside them. */
export const clientCommands: readonly (readonly [string, CommandEntry])[] = [
  ["acl", { summary: "Manage access control", load: async () => (await import("./acl/acl.ts")).aclCommand }],
  ["catalog", { summary: "List nodes and services", load: async () => (await import("./catalog.ts")).catalogCommand }],
  [
    "config",
    { summary: "Read and write config entries", load: async () => (await import("./config.ts")).configCommand },
  ],
  [
    "connect",
    { summary: "Look at and change the mesh", load: async () => (await import("./connect.ts")).connectCommand },
  ],
  [
    "debug",
    {
      summary: "Record what an agent says of itself",
      load: async () => (await import("./debug/debug-command.ts")).debugCommand,
    },
  ],
  [
    "event",
    { summary: "Tell all agents of an event", load: async () => (await import("./agent-calls.ts")).eventCommand },
  ],
  [
    "force-leave",
    {
      summary: "Take a node that is gone out of the cluster",
      load: async () => (await import("./force-leave.ts")).forceLeaveCommand,
    },
  ],
  ["info", { summary: "Print figures of an agent", load: async () => (await import("./agent-calls.ts")).infoCommand }],
  [
    "intention",
    { summary: "Allow and deny calls", load: async () => (await import("./intention.ts")).intentionCommand },
  ],
  ["join", { summary: "Tell an agent of one more server", load: async () => (await import("./join.ts")).joinCommand }],
  ["keygen", { summary: "Print a random key", load: async () => (await import("./keygen.ts")).keygenCommand }],
  ["leave", { summary: "Have an agent leave and end", load: async () => (await import("./leave.ts")).leaveCommand }],
  [
    "lock",
    { summary: "Run a program under a lock", load: async () => (await import("./lock/lock-command.ts")).lockCommand },
  ],
  [
    "maint",
    { summary: "Begin and end maintenance", load: async () => (await import("./agent-calls.ts")).maintCommand },
  ],
  [
    "members",
    { summary: "List who is in the cluster", load: async () => (await import("./members.ts")).membersCommand },
  ],
  [
    "monitor",
    { summary: "Follow the log of an agent", load: async () => (await import("./agent-calls.ts")).monitorCommand },
  ],
  [
    "reload",
    {
      summary: "Have an agent read its files again",
      load: async () => (await import("./agent-calls.ts")).reloadCommand,
    },
  ],
  ["rtt", { summary: "Estimate the way between two nodes", load: async () => (await import("./rtt.ts")).rttCommand }],
  [
    "services",
    { summary: "Register and deregister services", load: async () => (await import("./services.ts")).servicesCommand },
  ],
  ["login", { summary: "Log in by an auth method", load: async () => (await import("./acl/login.ts")).loginCommand }],
  ["logout", { summary: "End a login", load: async () => (await import("./acl/login.ts")).logoutCommand }],
  ["tls", { summary: "Make certificates for HTTPS", load: async () => (await import("./tls.ts")).tlsCommand }],
  [
    "validate",
    { summary: "Check configuration files", load: async () => (await import("./validate.ts")).validateCommand },
  ],
  ["watch", { summary: "Run a program at changes", load: async () => (await import("./watch.ts")).watchCommand }],
];
