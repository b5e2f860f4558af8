import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { CommandIo } from "../../command.ts";
import type { HttpApi } from "../../http-api.ts";
import { commandGroup, type Subcommand } from "../../subcommands.ts";
import { clientCommand, printJson } from "../client-command.ts";
import { readInput } from "../input-file.ts";
import { formatFlag, isJson, wholeId } from "./grants.ts";
import { type Fields, fieldsOf, policyStubText, policyText, text } from "./shapes.ts";

const metaFlag = { meta: { type: "boolean", summary: "Show indexes and the hash as well." } } as const;
const namedFlags = {
  id: { type: "string", placeholder: "id", summary: "ID of the policy, or how it begins." },
  name: { type: "string", placeholder: "name", summary: "Name of the policy." },
} as const;
const contentFlags = {
  description: { type: "string", placeholder: "text", summary: "What it is for." },
  rules: {
    type: "string",
    placeholder: "rules",
    summary: "The rules, @file for those of a file, - for standard input.",
  },
  "valid-datacenter": {
    type: "string",
    placeholder: "name",
    multiple: true,
    summary: "A datacenter that it holds in; by default all.",
  },
} as const;

const create = clientCommand({
  synopsis: "acl policy create [options]",
  summary: "Create a policy.",
  examples: ["acl policy create -name=web -rules=@web.hcl", `acl policy create -name=all -rules='acl = "write"'`],
  flags: { ...formatFlag, ...metaFlag, name: namedFlags.name, ...contentFlags },
  async run({ api, flags, io }) {
    if (!flags.name) throw new AtollError("INVALID_ARGUMENT", "Missing require '-name' flag");
    const body = {
      Name: flags.name,
      Description: flags.description ?? "",
      Datacenters: flags["valid-datacenter"],
      Rules: await rulesOf(flags.rules ?? "", io),
    };
    const made = await api.json({ method: "PUT", path: "/v1/acl/policy", body: JSON.stringify(body) });
    return print(io, made, flags);
  },
});

const read = clientCommand({
  synopsis: "acl policy read [options]",
  summary: "Show a policy.",
  flags: { ...formatFlag, ...metaFlag, ...namedFlags },
  run: async ({ api, flags, io }) => print(io, await find(api, flags), flags),
});

const listPolicies = clientCommand({
  synopsis: "acl policy list [options]",
  summary: "List the policies.",
  flags: { ...formatFlag, ...metaFlag },
  async run({ api, flags, io }) {
    const policies = await api.json({ method: "GET", path: "/v1/acl/policies" });
    if (isJson(flags.format)) printJson(io, policies);
    else if (Array.isArray(policies)) {
      io.stdout(policies.map((policy) => policyStubText(fieldsOf(policy), flags.meta ?? false)).join(""));
    }
    return 0;
  },
});

const update = clientCommand({
  synopsis: "acl policy update [options]",
  summary: "Change a policy.",
  description: "With -id a -name is its new one. What no flag is given for stays, unless -no-merge says otherwise.",
  flags: {
    ...formatFlag,
    ...metaFlag,
    ...namedFlags,
    ...contentFlags,
    "no-merge": { type: "boolean", summary: "What no flag is given for becomes empty." },
  },
  async run({ api, flags, io }) {
    const existing = await find(api, flags.id === undefined ? flags : { ...flags, name: undefined });
    const isMerged = flags["no-merge"] !== true;
    const kept: Fields = isMerged ? existing : { ID: existing["ID"], Name: existing["Name"] };
    const body = {
      ...kept,
      ...(flags.name !== undefined && { Name: flags.name }),
      ...(flags.description !== undefined && { Description: flags.description }),
      ...(flags.rules !== undefined && { Rules: await rulesOf(flags.rules, io) }),
      ...(flags["valid-datacenter"].length > 0 && { Datacenters: flags["valid-datacenter"] }),
    };
    const path = `/v1/acl/policy/${text(existing, "ID")}`;
    return print(io, await api.json({ method: "PUT", path, body: JSON.stringify(body) }), flags);
  },
});

const remove = clientCommand({
  synopsis: "acl policy delete [options]",
  summary: "Delete a policy.",
  flags: namedFlags,
  async run({ api, flags, io }) {
    const id = text(await find(api, flags), "ID");
    await api.call({ method: "DELETE", path: `/v1/acl/policy/${id}` });
    io.stdout(`Policy "${id}" deleted successfully\n`);
    return 0;
  },
});

export const policyCommand: Subcommand = commandGroup({
  name: "atoll acl policy",
  description: "Manages policies.",
  commands: new Map([
    ["create", create],
    ["read", read],
    ["list", listPolicies],
    ["update", update],
    ["delete", remove],
  ]),
});

async function rulesOf(given: string, io: CommandIo): Promise<string> {
  if (given === "-") return readInput("-", io);
  return given.startsWith("@") ? readInput(given.slice(1), io) : given;
}

async function find(
  api: HttpApi,
  flags: { readonly id?: string | undefined; readonly name?: string | undefined },
): Promise<Fields> {
  const { id = "", name = "" } = flags;
  if ((id === "") === (name === "")) {
    throw new AtollError("INVALID_ARGUMENT", "Must specify either the -id or -name parameters");
  }
  const path =
    id === ""
      ? `/v1/acl/policy/name/${name.split("/").map(encodeURIComponent).join("/")}`
      : `/v1/acl/policy/${encodeURIComponent(await wholeId(api, "policies", id))}`;
  return fieldsOf(await api.json({ method: "GET", path }));
}

function print(
  io: CommandIo,
  policy: unknown,
  flags: { readonly format?: string | undefined; readonly meta?: boolean | undefined },
): number {
  if (isJson(flags.format)) printJson(io, policy);
  else io.stdout(policyText(fieldsOf(policy), flags.meta ?? false));
  return 0;
}
