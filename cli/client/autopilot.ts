import { Type } from "typebox";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { commandGroup } from "../subcommands.ts";
import { clientCommand, mustBe, printJson } from "./client-command.ts";

const path = "/v1/operator/autopilot/configuration";

const Config = Type.Object({
  CleanupDeadServers: Type.Boolean(),
  LastContactThreshold: Type.String(),
  MaxTrailingLogs: Type.Integer(),
  MinQuorum: Type.Integer(),
  ServerStabilizationTime: Type.String(),
  ModifyIndex: Type.Integer(),
});

const getConfig = clientCommand({
  synopsis: "operator autopilot get-config [options]",
  summary: "Print how the servers are looked after.",
  flags: {},
  async run({ api, io }) {
    const config = mustBe(Config, await api.json({ method: "GET", path }), "autopilot's configuration");
    io.stdout(
      `CleanupDeadServers = ${config.CleanupDeadServers}\n` +
        `LastContactThreshold = ${config.LastContactThreshold}\n` +
        `MaxTrailingLogs = ${config.MaxTrailingLogs}\n` +
        `MinQuorum = ${config.MinQuorum}\n` +
        `ServerStabilizationTime = ${config.ServerStabilizationTime}\n`,
    );
    return 0;
  },
});

const setConfig = clientCommand({
  synopsis: "operator autopilot set-config [options]",
  summary: "Change how the servers are looked after; what is not given stays.",
  flags: {
    "cleanup-dead-servers": { type: "boolean", summary: "Take out servers that are gone for long." },
    "last-contact-threshold": { type: "string", placeholder: "duration", summary: "Heard of no longer ago." },
    "max-trailing-logs": { type: "integer", placeholder: "count", summary: "Behind by no more." },
    "min-quorum": { type: "integer", placeholder: "count", summary: "Never fewer voters than this." },
    "server-stabilization-time": {
      type: "string",
      placeholder: "duration",
      summary: "How long a new server must be healthy before it votes.",
    },
  },
  async run({ api, flags, io }) {
    const answer = await api.json({ method: "GET", path });
    const { ModifyIndex } = mustBe(Config, answer, "autopilot's configuration");
    const changed = {
      ...(answer !== null && typeof answer === "object" ? answer : {}),
      ...given("CleanupDeadServers", flags["cleanup-dead-servers"]),
      ...given("LastContactThreshold", flags["last-contact-threshold"]),
      ...given("MaxTrailingLogs", flags["max-trailing-logs"]),
      ...given("MinQuorum", flags["min-quorum"]),
      ...given("ServerStabilizationTime", flags["server-stabilization-time"]),
    };
    const query = { cas: String(ModifyIndex) };
    const written = await api.json({ method: "PUT", path, query, body: JSON.stringify(changed) });
    if (written !== true)
      throw new AtollError("CONFLICT", "Configuration could not be atomically updated, please try again");
    io.stdout("Configuration updated!\n");
    return 0;
  },
});

const State = Type.Object({
  Healthy: Type.Boolean(),
  FailureTolerance: Type.Integer(),
  Leader: Type.Optional(Type.String()),
  Voters: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
  Servers: Type.Record(
    Type.String(),
    Type.Object({
      Name: Type.String(),
      Address: Type.String(),
      Version: Type.Optional(Type.String()),
      Status: Type.Optional(Type.String()),
      NodeStatus: Type.Optional(Type.String()),
      Healthy: Type.Optional(Type.Boolean()),
      LastContact: Type.Optional(Type.String()),
      LastTerm: Type.Optional(Type.Integer()),
      LastIndex: Type.Optional(Type.Integer()),
    }),
  ),
});

const state = clientCommand({
  synopsis: "operator autopilot state [options]",
  summary: "Print how the servers are.",
  flags: { format: { type: "string", placeholder: "pretty|json", summary: "Form of the output." } },
  async run({ api, flags, io }) {
    const answer = await api.json({ method: "GET", path: "/v1/operator/autopilot/state" });
    if (flags.format === "json") {
      printJson(io, answer);
      return 0;
    }
    const { Healthy, FailureTolerance, Leader, Voters, Servers } = mustBe(State, answer, "autopilot's state");
    io.stdout(
      `Healthy:           ${Healthy}\nFailure Tolerance: ${FailureTolerance}\nLeader:            ${Leader ?? ""}\n`,
    );
    io.stdout(`Voters:\n${(Voters ?? []).map((id) => `   ${id}\n`).join("")}Servers:\n`);
    for (const [id, server] of Object.entries(Servers)) {
      const rows = [
        ["Name:", server.Name],
        ["Address:", server.Address],
        ["Version:", server.Version],
        ["Status:", server.Status],
        ["Node Status:", server.NodeStatus],
        ["Healthy:", server.Healthy],
        ["Last Contact:", server.LastContact],
        ["Last Term:", server.LastTerm],
        ["Last Index:", server.LastIndex],
      ].filter(([, value]) => value !== undefined);
      io.stdout(`   ${id}\n${rows.map(([key, value]) => `      ${String(key).padEnd(16)}${value}\n`).join("")}`);
    }
    return 0;
  },
});

/** `atoll operator autopilot`. */
export const autopilotCommand = commandGroup({
  name: "atoll operator autopilot",
  description: "Looks at and changes how the servers are looked after.",
  commands: new Map([
    ["get-config", getConfig],
    ["set-config", setConfig],
    ["state", state],
  ]),
});

function given(name: string, value: string | number | boolean | undefined): Record<string, string | number | boolean> {
  return value === undefined ? {} : { [name]: value };
}
