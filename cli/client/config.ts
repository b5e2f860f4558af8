import { Type } from "typebox";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { CommandIo } from "../command.ts";
import { commandGroup } from "../subcommands.ts";
import { argument, clientCommand, mustBe, printJson } from "./client-command.ts";
import { readDocument } from "./input-file.ts";

const kind = { type: "string", placeholder: "kind", summary: "Kind of the entry, as service-defaults." } as const;
const name = { type: "string", placeholder: "name", summary: "Name of the entry." } as const;
const cas = { type: "boolean", summary: "Only if nobody changed it since -modify-index." } as const;
const modifyIndex = {
  type: "integer",
  placeholder: "index",
  summary: "With -cas: the ModifyIndex that was read; 0 when the entry must not be there yet.",
} as const;

const read = clientCommand({
  synopsis: "config read -kind=<kind> -name=<name>",
  summary: "Read a config entry.",
  flags: { kind, name },
  async run({ api, flags, io }) {
    const path = `/v1/config/${pathOf(flags)}`;
    printJson(io, await api.json({ method: "GET", path }));
    return 0;
  },
});

const write = clientCommand({
  synopsis: "config write [options] <file>",
  summary: "Write a config entry from a file in JSON or HCL, or from standard input with -.",
  maxPositionals: 1,
  examples: ["config write web.hcl", "config write -"],
  flags: { cas, "modify-index": modifyIndex },
  async run({ api, flags, positionals, io }) {
    const entry = await readDocument(argument(positionals, 0, "the file of the entry"), io);
    const text = (key: string): string => {
      const found = Object.entries(entry).find(([one]) => one.toLowerCase() === key);
      return typeof found?.[1] === "string" ? found[1] : "";
    };
    const which = `${text("kind")}/${text("name")}`;
    const answer = await api.json({
      method: "PUT",
      path: "/v1/config",
      query: flags.cas === true ? { cas: String(flags["modify-index"] ?? 0) } : {},
      body: JSON.stringify(entry),
    });
    if (answer !== true) throw new AtollError("CONFLICT", `Config entry not updated: ${which}`);
    io.stdout(`Config entry written: ${which}\n`);
    return 0;
  },
});

const list = clientCommand({
  synopsis: "config list -kind=<kind>",
  summary: "List the names of the config entries of a kind.",
  flags: { kind, filter: { type: "string", placeholder: "expression", summary: "Only those it holds for." } },
  async run({ api, flags, io }) {
    if (flags.kind === undefined) throw new AtollError("INVALID_ARGUMENT", "Must specify the -kind parameter");
    const query: Record<string, string> = flags.filter === undefined ? {} : { filter: flags.filter };
    const answer = await api.json({ method: "GET", path: `/v1/config/${encodeURIComponent(flags.kind)}`, query });
    const Entries = Type.Array(Type.Object({ Name: Type.Optional(Type.String()), Kind: Type.String() }));
    for (const entry of mustBe(Entries, answer ?? [], "a list of config entries")) {
      io.stdout(`${entry.Name ?? entry.Kind}\n`);
    }
    return 0;
  },
});

const remove = clientCommand({
  synopsis: "config delete -kind=<kind> -name=<name>",
  summary: "Delete a config entry.",
  flags: {
    kind,
    name,
    cas,
    "modify-index": modifyIndex,
    filename: { type: "string", placeholder: "path", summary: "Take kind and name from this file." },
  },
  async run({ api, flags, io }) {
    const which = flags.filename === undefined ? flags : await kindAndName(flags.filename, io);
    const path = `/v1/config/${pathOf(which)}`;
    const query: Record<string, string> = flags.cas === true ? { cas: String(flags["modify-index"] ?? 0) } : {};
    const body = await api.call({ method: "DELETE", path, query });
    const shown = `${which.kind}/${which.name}`;
    if (body.toString("utf8").trim() === "false")
      throw new AtollError("CONFLICT", `Config entry not deleted: ${shown}`);
    io.stdout(`Config entry deleted: ${shown}\n`);
    return 0;
  },
});

/** `atoll config`: the config entries. */
export const configCommand = commandGroup({
  name: "atoll config",
  description: "Reads, writes, lists and deletes config entries.",
  commands: new Map([
    ["read", read],
    ["write", write],
    ["list", list],
    ["delete", remove],
  ]),
});

interface Which {
  readonly kind?: string | undefined;
  readonly name?: string | undefined;
}

function pathOf(which: Which): string {
  if (!which.kind) throw new AtollError("INVALID_ARGUMENT", "Must specify the -kind parameter");
  if (!which.name) throw new AtollError("INVALID_ARGUMENT", "Must specify the -name parameter");
  return `${encodeURIComponent(which.kind)}/${encodeURIComponent(which.name)}`;
}

async function kindAndName(path: string, io: CommandIo): Promise<Which> {
  const fields = new Map(
    Object.entries(await readDocument(path, io)).map(([key, value]) => [key.toLowerCase(), value]),
  );
  const text = (key: string): string => String(fields.get(key) ?? "");
  return { kind: text("kind"), name: text("name") };
}
