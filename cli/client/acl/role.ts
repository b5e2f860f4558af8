import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { CommandIo } from "../../command.ts";
import type { HttpApi } from "../../http-api.ts";
import { commandGroup, type Subcommand } from "../../subcommands.ts";
import { clientCommand, printJson } from "../client-command.ts";
import { formatFlag, grantFlags, grantsOf, isJson, merged, wholeId } from "./grants.ts";
import { type Fields, fieldsOf, roleStubText, roleText, text } from "./shapes.ts";

const metaFlag = { meta: { type: "boolean", summary: "Show indexes and the hash as well." } } as const;
const namedFlags = {
  id: { type: "string", placeholder: "id", summary: "ID of the role, or how it begins." },
  name: { type: "string", placeholder: "name", summary: "Name of the role." },
} as const;
const descriptionFlag = { description: { type: "string", placeholder: "text", summary: "What it is for." } } as const;

const create = clientCommand({
  synopsis: "acl role create [options]",
  summary: "Create a role.",
  examples: ["acl role create -name=web -service-identity=web -policy-name=keys"],
  flags: { ...formatFlag, ...metaFlag, name: namedFlags.name, ...descriptionFlag, ...grantFlags },
  async run({ api, flags, io }) {
    if (!flags.name) throw new AtollError("INVALID_ARGUMENT", "Missing require '-name' flag");
    const grants = await grantsOf(api, flags);
    if (Object.keys(grants).length === 0) {
      throw new AtollError(
        "INVALID_ARGUMENT",
        "Cannot create a role without specifying -policy-name, -policy-id, -service-identity, -node-identity or -templated-policy at least once",
      );
    }
    const body = { Name: flags.name, Description: flags.description ?? "", ...grants };
    return print(io, await api.json({ method: "PUT", path: "/v1/acl/role", body: JSON.stringify(body) }), flags);
  },
});

const read = clientCommand({
  synopsis: "acl role read [options]",
  summary: "Show a role.",
  flags: { ...formatFlag, ...metaFlag, ...namedFlags },
  run: async ({ api, flags, io }) => print(io, await find(api, flags), flags),
});

const listRoles = clientCommand({
  synopsis: "acl role list [options]",
  summary: "List the roles.",
  flags: { ...formatFlag, ...metaFlag },
  async run({ api, flags, io }) {
    const roles = await api.json({ method: "GET", path: "/v1/acl/roles" });
    if (isJson(flags.format)) printJson(io, roles);
    else if (Array.isArray(roles)) {
      io.stdout(roles.map((role) => roleStubText(fieldsOf(role), flags.meta ?? false)).join(""));
    }
    return 0;
  },
});

const update = clientCommand({
  synopsis: "acl role update [options]",
  summary: "Change a role.",
  description: "What flags name is added to what it has, unless -no-merge says otherwise.",
  flags: {
    ...formatFlag,
    ...metaFlag,
    ...namedFlags,
    ...descriptionFlag,
    ...grantFlags,
    "no-merge": { type: "boolean", summary: "It has what flags name and nothing else." },
  },
  async run({ api, flags, io }) {
    const existing = await find(api, flags.id === undefined ? flags : { ...flags, name: undefined });
    const grants = await grantsOf(api, flags);
    const kept: Fields =
      flags["no-merge"] === true
        ? { ID: existing["ID"], Name: existing["Name"], Description: existing["Description"], ...grants }
        : merged(existing, grants);
    const body = {
      ...kept,
      ...(flags.name !== undefined && { Name: flags.name }),
      ...(flags.description !== undefined && { Description: flags.description }),
    };
    const path = `/v1/acl/role/${text(existing, "ID")}`;
    return print(io, await api.json({ method: "PUT", path, body: JSON.stringify(body) }), flags);
  },
});

const remove = clientCommand({
  synopsis: "acl role delete [options]",
  summary: "Delete a role.",
  flags: namedFlags,
  async run({ api, flags, io }) {
    const id = text(await find(api, flags), "ID");
    await api.call({ method: "DELETE", path: `/v1/acl/role/${id}` });
    io.stdout(`Role "${id}" deleted successfully\n`);
    return 0;
  },
});

export const roleCommand: Subcommand = commandGroup({
  name: "atoll acl role",
  description: "Manages roles.",
  commands: new Map([
    ["create", create],
    ["read", read],
    ["list", listRoles],
    ["update", update],
    ["delete", remove],
  ]),
});

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
      ? `/v1/acl/role/name/${encodeURIComponent(name)}`
      : `/v1/acl/role/${encodeURIComponent(await wholeId(api, "roles", id))}`;
  return fieldsOf(await api.json({ method: "GET", path }));
}

function print(
  io: CommandIo,
  role: unknown,
  flags: { readonly format?: string | undefined; readonly meta?: boolean | undefined },
): number {
  if (isJson(flags.format)) printJson(io, role);
  else io.stdout(roleText(fieldsOf(role), flags.meta ?? false));
  return 0;
}
