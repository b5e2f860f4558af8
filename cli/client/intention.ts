import { Type } from "typebox";
import type { Static } from "typebox";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { HttpApi } from "../http-api.ts";
import { commandGroup } from "../subcommands.ts";
import { formatTable } from "../table.ts";
import { argument, clientCommand, mustBe, printJson } from "./client-command.ts";
import { readDocument } from "./input-file.ts";

const Intention = Type.Object({
  ID: Type.Optional(Type.String()),
  SourceName: Type.String(),
  DestinationName: Type.String(),
  Action: Type.Optional(Type.String()),
  Permissions: Type.Optional(Type.Union([Type.Array(Type.Unknown()), Type.Null()])),
  Description: Type.Optional(Type.String()),
  Precedence: Type.Optional(Type.Integer()),
  Meta: Type.Optional(Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()])),
});
type Intention = Static<typeof Intention>;

const exact = "/v1/connect/intentions/exact";
const between = "SRC DST";

const create = clientCommand({
  synopsis: `intention create [options] ${between}`,
  summary: "Create intentions, which allow or deny calls between services.",
  maxPositionals: 1_000,
  examples: ["intention create web db", "intention create -deny web db", "intention create -file one.json two.json"],
  flags: {
    allow: { type: "boolean", summary: "Allow the calls; the default." },
    deny: { type: "boolean", summary: "Deny the calls." },
    replace: { type: "boolean", summary: "Replace an intention that is there." },
    file: { type: "boolean", summary: "Read one intention from each of the named files." },
  },
  async run({ api, flags, positionals, io }) {
    if (flags.allow === true && flags.deny === true) {
      throw new AtollError("INVALID_ARGUMENT", "only one of -allow or -deny may be specified");
    }
    const intentions =
      flags.file === true
        ? await Promise.all(
            positionals.map(async (path) => mustBe(Intention, await readDocument(path, io), "an intention")),
          )
        : [{ ...pairOf(positionals), Action: flags.deny === true ? "deny" : "allow" }];
    for (const intention of intentions) {
      if (flags.replace !== true && (await find(api, intention)) !== undefined) {
        const text = describe(intention);
        throw new AtollError(
          "CONFLICT",
          `Error creating intention "${text}": it is there already, -replace changes it`,
        );
      }
      const { SourceName, DestinationName, ...body } = intention;
      const query = { source: SourceName, destination: DestinationName };
      await api.call({ method: "PUT", path: exact, query, body: JSON.stringify(body) });
      io.stdout(`Created: ${describe(intention)}\n`);
    }
    return 0;
  },
});

const check = clientCommand({
  synopsis: `intention check [options] ${between}`,
  summary: "Check whether a call between two services is allowed.",
  description: "Exits with 0 when it is and with 2 when it is not.",
  maxPositionals: 2,
  flags: {},
  async run({ api, positionals, io }) {
    const { SourceName, DestinationName } = pairOf(positionals);
    const query = { source: SourceName, destination: DestinationName };
    const answer = await api.json({ method: "GET", path: "/v1/connect/intentions/check", query });
    const { Allowed } = mustBe(Type.Object({ Allowed: Type.Boolean() }), answer, "a decision");
    io.stdout(Allowed ? "Allowed\n" : "Denied\n");
    return Allowed ? 0 : 2;
  },
});

const remove = clientCommand({
  synopsis: `intention delete [options] ${between}`,
  summary: "Delete an intention.",
  maxPositionals: 2,
  flags: {},
  async run({ api, positionals, io }) {
    const pair = pairOf(positionals);
    const query = { source: pair.SourceName, destination: pair.DestinationName };
    await api.call({ method: "DELETE", path: exact, query });
    io.stdout("Intention deleted.\n");
    return 0;
  },
});

const get = clientCommand({
  synopsis: `intention get [options] ${between}`,
  summary: "Show an intention.",
  maxPositionals: 2,
  flags: {},
  async run({ api, positionals, io }) {
    const pair = pairOf(positionals);
    const found = await find(api, pair);
    if (found === undefined) {
      const text = `Intention not found: ${pair.SourceName} => ${pair.DestinationName}`;
      throw new AtollError("NOT_FOUND", text);
    }
    const rows = [
      ["Source:", found.SourceName],
      ["Destination:", found.DestinationName],
      ...(found.Action ? [["Action:", found.Action]] : []),
      ...(found.ID ? [["ID:", found.ID]] : []),
      ...(found.Description ? [["Description:", found.Description]] : []),
      ...Object.entries(found.Meta ?? {}).map(([key, value]) => [`Meta[${key}]:`, value]),
    ];
    const width = Math.max(...rows.map(([name = ""]) => name.length));
    io.stdout(rows.map(([name = "", value]) => `${name.padEnd(width + 4)}${value}\n`).join(""));
    const count = found.Permissions?.length ?? 0;
    if (count > 0) {
      io.stdout("Permissions:\n");
      printJson(io, found.Permissions);
    }
    return 0;
  },
});

const list = clientCommand({
  synopsis: "intention list [options]",
  summary: "List all intentions.",
  flags: {
    filter: { type: "string", placeholder: "expression", summary: "Only those that this expression holds for." },
  },
  async run({ api, flags, io }) {
    const query: Record<string, string> = flags.filter === undefined ? {} : { filter: flags.filter };
    const answer = await api.json({ method: "GET", path: "/v1/connect/intentions", query });
    const intentions = mustBe(Type.Array(Intention), answer ?? [], "a list of intentions");
    if (intentions.length === 0) {
      io.stderr("There are no intentions.\n");
      return 0;
    }
    const rows = intentions.map((one) => [
      one.ID ?? "",
      one.SourceName,
      actionOf(one),
      one.DestinationName,
      String(one.Precedence ?? 0),
    ]);
    io.stdout(formatTable([["ID", "Source", "Action", "Destination", "Precedence"], ...rows]));
    return 0;
  },
});

const match = clientCommand({
  synopsis: "intention match [options] <service>",
  summary: "List the intentions that a service is the source or destination of, in the order they are looked at.",
  maxPositionals: 1,
  flags: {
    destination: { type: "boolean", summary: "Those that it is the destination of; the default." },
    source: { type: "boolean", summary: "Those that it is the source of." },
  },
  async run({ api, flags, positionals, io }) {
    const name = argument(positionals, 0, "the name of the service");
    const query = { by: flags.source === true ? "source" : "destination", name };
    const answer = await api.json({ method: "GET", path: "/v1/connect/intentions/match", query });
    const Matches = Type.Record(Type.String(), Type.Union([Type.Array(Intention), Type.Null()]));
    for (const intentions of Object.values(mustBe(Matches, answer, "a map of intentions"))) {
      for (const intention of intentions ?? []) io.stdout(`${describe(intention)}\n`);
    }
    return 0;
  },
});

/** `atoll intention`: who may call whom. */
export const intentionCommand = commandGroup({
  name: "atoll intention",
  description: "Allows and denies calls between services.",
  commands: new Map([
    ["create", create],
    ["check", check],
    ["delete", remove],
    ["get", get],
    ["list", list],
    ["match", match],
  ]),
});

function pairOf(positionals: readonly string[]): Pick<Intention, "SourceName" | "DestinationName"> {
  if (positionals.length !== 2) {
    throw new AtollError("INVALID_ARGUMENT", "command requires exactly two arguments: src and dst");
  }
  return { SourceName: argument(positionals, 0, "src"), DestinationName: argument(positionals, 1, "dst") };
}

async function find(api: HttpApi, pair: Pick<Intention, "SourceName" | "DestinationName">) {
  const query = { source: pair.SourceName, destination: pair.DestinationName };
  const answer = await api.ask({ method: "GET", path: exact, query });
  if (answer.status === 404) return undefined;
  const text = answer.body.toString("utf8");
  if (answer.status !== 200) throw new AtollError("INTERNAL", `the agent answered ${answer.status}: ${text.trim()}`);
  return mustBe(Intention, JSON.parse(text), "an intention");
}

function actionOf(intention: Intention): string {
  const count = intention.Permissions?.length ?? 0;
  return count > 0 ? `${count} permission${count === 1 ? "" : "s"}` : (intention.Action ?? "");
}

function describe(intention: Intention): string {
  return `${intention.SourceName} => ${intention.DestinationName} (${actionOf(intention)})`;
}
