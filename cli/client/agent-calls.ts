/** Commands that look at or change the one agent they ask. */
import { Type } from "typebox";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { HttpApi } from "../http-api.ts";
import { clientCommand, mustBe } from "./client-command.ts";

const Stats = Type.Object({ Stats: Type.Record(Type.String(), Type.Record(Type.String(), Type.String())) });

export const infoCommand = clientCommand({
  synopsis: "info [options]",
  summary: "Print figures for the people who operate an agent.",
  flags: {},
  async run({ api, io }) {
    const answer = await api.json({ method: "GET", path: "/v1/agent/self" });
    for (const [group, figures] of sorted(mustBe(Stats, answer, "an agent's own description").Stats)) {
      const lines = sorted(figures).map(([key, value]) => `\t${key} = ${value}\n`);
      io.stdout(`${group}:\n${lines.join("")}`);
    }
    return 0;
  },
});

export const reloadCommand = clientCommand({
  synopsis: "reload [options]",
  summary: "Have the agent read its configuration files again.",
  flags: {},
  async run({ api, io }) {
    await api.call({ method: "PUT", path: "/v1/agent/reload" });
    io.stdout("Configuration reload triggered\n");
    return 0;
  },
});

export const monitorCommand = clientCommand({
  synopsis: "monitor [options]",
  summary: "Print the log of an agent as it is written, until Ctrl-C.",
  flags: {
    "log-level": { type: "string", placeholder: "level", summary: "Lowest level to print; by default INFO." },
    "log-json": { type: "boolean", summary: "Print one JSON object per line." },
  },
  async run({ api, flags, io }) {
    const query = {
      loglevel: flags["log-level"] ?? "INFO",
      ...(flags["log-json"] === true && { logjson: "true" }),
    };
    const request = { method: "GET", path: "/v1/agent/monitor", query } as const;
    await api.follow(request, (bytes) => io.stdout(bytes.toString("utf8")), io.shutdownSignal());
    return 0;
  },
});

const Checks = Type.Record(
  Type.String(),
  Type.Object({ CheckID: Type.String(), ServiceID: Type.Optional(Type.String()), Notes: Type.Optional(Type.String()) }),
);
const nodeMaintenance = "_node_maintenance";
const serviceMaintenance = "_service_maintenance:";

export const maintCommand = clientCommand({
  synopsis: "maint [options]",
  summary: "Take the node or a service out of all answers, or bring it back; without -enable and -disable, list them.",
  examples: ["maint -enable -reason='new disk'", "maint -disable -service=web"],
  flags: {
    enable: { type: "boolean", summary: "Begin maintenance." },
    disable: { type: "boolean", summary: "End maintenance." },
    reason: { type: "string", placeholder: "text", summary: "With -enable: why." },
    service: { type: "string", placeholder: "id", summary: "The service; by default the whole node." },
  },
  async run({ api, flags, io }) {
    const { service, reason } = flags;
    const isEnabling = flags.enable === true;
    if (isEnabling && flags.disable === true) {
      throw new AtollError("INVALID_ARGUMENT", "Only one of -enable or -disable may be provided");
    }
    if (!isEnabling && flags.disable !== true) {
      if (reason !== undefined || service !== undefined) {
        const unused = reason === undefined ? "-service" : "-reason";
        throw new AtollError("INVALID_ARGUMENT", `${unused} needs -enable or -disable`);
      }
      const answer = await api.json({ method: "GET", path: "/v1/agent/checks" });
      for (const check of Object.values(mustBe(Checks, answer, "a map of checks"))) {
        const notes = check.Notes ?? "";
        if (check.CheckID === nodeMaintenance) {
          io.stdout(`Node:\n  Name:   ${await nodeName(api)}\n  Reason: ${notes}\n\n`);
        } else if (check.CheckID.startsWith(serviceMaintenance)) {
          io.stdout(`Service:\n  ID:     ${check.ServiceID ?? ""}\n  Reason: ${notes}\n\n`);
        }
      }
      return 0;
    }
    const query = { enable: String(isEnabling), ...(reason !== undefined && { reason }) };
    const path =
      service === undefined ? "/v1/agent/maintenance" : `/v1/agent/service/maintenance/${encodeURIComponent(service)}`;
    await api.call({ method: "PUT", path, query });
    const state = isEnabling ? "enabled" : "disabled";
    const what = service === undefined ? "Node maintenance" : "Service maintenance";
    io.stdout(`${what} is now ${state}${service === undefined ? "" : ` for "${service}"`}\n`);
    return 0;
  },
});

async function nodeName(api: HttpApi): Promise<string> {
  const Self = Type.Object({ Config: Type.Object({ NodeName: Type.String() }) });
  return mustBe(Self, await api.json({ method: "GET", path: "/v1/agent/self" }), "an agent's own description").Config
    .NodeName;
}

export const eventCommand = clientCommand({
  synopsis: "event -name=<name> [options] [<payload>]",
  summary: "Tell all agents that something happened.",
  maxPositionals: 1,
  flags: {
    name: { type: "string", placeholder: "name", summary: "Name of the event." },
    node: { type: "string", placeholder: "pattern", summary: "Only nodes whose name this regular expression matches." },
    service: { type: "string", placeholder: "pattern", summary: "Only nodes with a service that it matches." },
    tag: { type: "string", placeholder: "pattern", summary: "With -service: only with a tag that it matches." },
  },
  async run({ api, flags, positionals, io }) {
    if (flags.name === undefined) throw new AtollError("INVALID_ARGUMENT", "Event name must be specified");
    const query = {
      ...(flags.node !== undefined && { node: flags.node }),
      ...(flags.service !== undefined && { service: flags.service }),
      ...(flags.tag !== undefined && { tag: flags.tag }),
    };
    const path = `/v1/event/fire/${encodeURIComponent(flags.name)}`;
    const answer = await api.json({ method: "PUT", path, query, body: positionals[0] ?? "" });
    io.stdout(`Event ID: ${mustBe(Type.Object({ ID: Type.String() }), answer, "an event").ID}\n`);
    return 0;
  },
});

function sorted<T>(map: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
