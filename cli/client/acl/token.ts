import { AtollError } from "../../../lib/contract/error-codes.ts";
import type { HttpApi } from "../../http-api.ts";
import { commandGroup, type Subcommand } from "../../subcommands.ts";
import { clientCommand, printJson } from "../client-command.ts";
import { formatFlag, grantFlags, grantsOf, isJson, merged, roleFlags, wholeId } from "./grants.ts";
import { type Fields, fieldsOf, tokenText } from "./shapes.ts";
import type { CommandIo } from "../../command.ts";

const metaFlag = { meta: { type: "boolean", summary: "Show indexes and the hash as well." } } as const;
const accessorFlags = {
  "accessor-id": { type: "string", placeholder: "id", summary: "Accessor ID of the token, or how it begins." },
  id: { type: "string", placeholder: "id", summary: "The same as -accessor-id." },
} as const;
const descriptionFlag = { description: { type: "string", placeholder: "text", summary: "What it is for." } } as const;

const create = clientCommand({
  synopsis: "acl token create [options]",
  summary: "Create a token.",
  description: "Its secret is printed once: the servers keep only a hash of it.",
  examples: ['acl token create -description="for web" -service-identity=web', "acl token create -policy-name=ci"],
  flags: {
    ...formatFlag,
    ...metaFlag,
    ...descriptionFlag,
    ...grantFlags,
    ...roleFlags,
    accessor: { type: "string", placeholder: "uuid", summary: "Accessor ID to give it; by default a random one." },
    secret: { type: "string", placeholder: "uuid", summary: "Secret to give it; by default a random one." },
    local: { type: "boolean", summary: "Only for this datacenter." },
    "expires-ttl": { type: "string", placeholder: "duration", summary: "How long it holds, 1m to 24h." },
  },
  async run({ api, flags, io }) {
    const body = {
      Description: flags.description ?? "",
      Local: flags.local ?? false,
      ...(flags.accessor !== undefined && { AccessorID: flags.accessor }),
      ...(flags.secret !== undefined && { SecretID: flags.secret }),
      ...(flags["expires-ttl"] !== undefined && { ExpirationTTL: flags["expires-ttl"] }),
      ...(await grantsOf(api, flags)),
    };
    return print(io, await put(api, "/v1/acl/token", body), flags);
  },
});

const read = clientCommand({
  synopsis: "acl token read [options]",
  summary: "Show a token.",
  flags: {
    ...formatFlag,
    ...metaFlag,
    ...accessorFlags,
    self: { type: "boolean", summary: "The token of this very request." },
    expanded: { type: "boolean", summary: "Also its policies and roles in full; with -format=json." },
  },
  async run({ api, flags, io }) {
    const id = flags.self === true ? "self" : await accessorOf(api, flags);
    const query: Record<string, string> = flags.expanded === true ? { expanded: "true" } : {};
    return print(io, await api.json({ method: "GET", path: `/v1/acl/token/${id}`, query }), flags);
  },
});

const listTokens = clientCommand({
  synopsis: "acl token list [options]",
  summary: "List the tokens.",
  flags: { ...formatFlag, ...metaFlag },
  async run({ api, flags, io }) {
    const tokens = await api.json({ method: "GET", path: "/v1/acl/tokens" });
    if (isJson(flags.format)) printJson(io, tokens);
    else if (Array.isArray(tokens)) {
      io.stdout(tokens.map((token) => tokenText(fieldsOf(token), flags.meta ?? false)).join("\n"));
    }
    return 0;
  },
});

const update = clientCommand({
  synopsis: "acl token update [options]",
  summary: "Change a token.",
  description: "Flags replace what it has of their kind; the -append flags and the -merge flags add to it.",
  flags: {
    ...formatFlag,
    ...metaFlag,
    ...accessorFlags,
    ...descriptionFlag,
    ...grantFlags,
    ...roleFlags,
    "append-policy-id": grantFlags["policy-id"],
    "append-policy-name": grantFlags["policy-name"],
    "append-role-id": roleFlags["role-id"],
    "append-role-name": roleFlags["role-name"],
    "append-service-identity": grantFlags["service-identity"],
    "append-node-identity": grantFlags["node-identity"],
    "merge-policies": { type: "boolean", summary: "Add the policies to those that it has." },
    "merge-roles": { type: "boolean", summary: "Add the roles to those that it has." },
    "merge-service-identities": { type: "boolean", summary: "Add the identities to those that it has." },
    "merge-node-identities": { type: "boolean", summary: "Add the identities to those that it has." },
  },
  async run({ api, flags, io }) {
    const id = await accessorOf(api, flags);
    const token = fieldsOf(await api.json({ method: "GET", path: `/v1/acl/token/${id}` }));
    const appended = await grantsOf(api, {
      "policy-id": flags["append-policy-id"],
      "policy-name": flags["append-policy-name"],
      "role-id": flags["append-role-id"],
      "role-name": flags["append-role-name"],
      "service-identity": flags["append-service-identity"],
      "node-identity": flags["append-node-identity"],
      "templated-policy": undefined,
      var: [],
    });
    const { Policies, Roles, ServiceIdentities, NodeIdentities, ...replaced } = await grantsOf(api, flags);
    let body: Fields = { ...token, ...replaced };
    body = merge(body, { Policies }, flags["merge-policies"]);
    body = merge(body, { Roles }, flags["merge-roles"]);
    body = merge(body, { ServiceIdentities }, flags["merge-service-identities"]);
    body = merge(body, { NodeIdentities }, flags["merge-node-identities"]);
    body = merged(body, appended);
    if (flags.description !== undefined) body = { ...body, Description: flags.description };
    return print(io, await put(api, `/v1/acl/token/${id}`, body), flags);
  },
});

const remove = clientCommand({
  synopsis: "acl token delete [options]",
  summary: "Delete a token.",
  flags: accessorFlags,
  async run({ api, flags, io }) {
    const id = await accessorOf(api, flags);
    await api.call({ method: "DELETE", path: `/v1/acl/token/${id}` });
    io.stdout(`Token "${id}" deleted successfully\n`);
    return 0;
  },
});

const clone = clientCommand({
  synopsis: "acl token clone [options]",
  summary: "Create a token that may do what another may.",
  flags: { ...formatFlag, ...metaFlag, ...accessorFlags, ...descriptionFlag },
  async run({ api, flags, io }) {
    const id = await accessorOf(api, flags);
    const body = flags.description === undefined ? {} : { Description: flags.description };
    const made = await put(api, `/v1/acl/token/${id}/clone`, body);
    if (!isJson(flags.format)) io.stdout("Token cloned successfully.\n");
    return print(io, made, flags);
  },
});

export const tokenCommand: Subcommand = commandGroup({
  name: "atoll acl token",
  description: "Manages tokens.",
  commands: new Map([
    ["create", create],
    ["read", read],
    ["list", listTokens],
    ["update", update],
    ["delete", remove],
    ["clone", clone],
  ]),
});

function merge(body: Fields, given: Fields, isMerged: boolean | undefined): Fields {
  const [entry] = Object.entries(given);
  if (entry === undefined || entry[1] === undefined) return body;
  return isMerged === true ? merged(body, given) : { ...body, ...given };
}

export async function put(api: HttpApi, path: string, body: object): Promise<unknown> {
  return api.json({ method: "PUT", path, body: JSON.stringify(body) });
}

export function print(
  io: CommandIo,
  token: unknown,
  flags: { readonly format?: string | undefined; readonly meta?: boolean | undefined },
): number {
  if (isJson(flags.format)) printJson(io, token);
  else io.stdout(tokenText(fieldsOf(token), flags.meta ?? false));
  return 0;
}

async function accessorOf(
  api: HttpApi,
  flags: { readonly "accessor-id": string | undefined; readonly id: string | undefined },
): Promise<string> {
  const id = flags["accessor-id"] ?? flags.id;
  if (id !== undefined && id !== "") return wholeId(api, "tokens", id);
  throw new AtollError("INVALID_ARGUMENT", "Must specify the -accessor-id parameter");
}
