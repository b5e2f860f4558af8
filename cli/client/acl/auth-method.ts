import { type Static, Type } from "typebox";
import { parseHcl } from "../../../lib/base/hcl.ts";
import { parseJsonText } from "../../../lib/base/json-file.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { clientCommand, mustBe } from "../client-command.ts";
import type { HttpApi } from "../../http-api.ts";
import { commandGroup } from "../../subcommands.ts";
import { fieldLines, required, show, type ShownFlags, shownFlags, textOrFile } from "./shown.ts";

const Method = Type.Object({
  Name: Type.String(),
  Type: Type.String(),
  DisplayName: Type.Optional(Type.String()),
  Description: Type.String(),
  MaxTokenTTL: Type.Optional(Type.String()),
  TokenLocality: Type.Optional(Type.String()),
  TokenNameFormat: Type.Optional(Type.String()),
  Config: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  CreateIndex: Type.Integer(),
  ModifyIndex: Type.Integer(),
});
type Method = Static<typeof Method>;

const name = { type: "string", placeholder: "name", summary: "Name of the auth method." } as const;
const writeFlags = {
  name,
  "display-name": { type: "string", placeholder: "text", summary: "A name for people." },
  description: { type: "string", placeholder: "text", summary: "What it is for." },
  "max-token-ttl": { type: "string", placeholder: "duration", summary: "How long tokens of its logins live, as 1h." },
  "token-locality": { type: "string", placeholder: "kind", summary: "local, the default, or global." },
  "token-name-format": { type: "string", placeholder: "text", summary: "What tokens are described with." },
  "kubernetes-host": { type: "string", placeholder: "url", summary: "kubernetes: where its API is." },
  "kubernetes-ca-cert": {
    type: "string",
    placeholder: "pem",
    summary: "kubernetes: the certificate of its API's authority; @path for a file.",
  },
  "kubernetes-service-account-jwt": {
    type: "string",
    placeholder: "token",
    summary: "kubernetes: the token with which its API is asked; @path for a file.",
  },
  config: {
    type: "string",
    placeholder: "text",
    summary: "The whole configuration, in JSON or HCL; @path for a file.",
  },
  ...shownFlags,
} as const;

type WriteFlags = ShownFlags & {
  readonly [Name in Exclude<keyof typeof writeFlags, keyof ShownFlags>]?: string | undefined;
};

const create = clientCommand({
  synopsis: "acl auth-method create -name=<name> -type=<type> [options]",
  summary: "Make an auth method.",
  flags: { ...writeFlags, type: { type: "string", placeholder: "type", summary: "aws-iam, jwt or kubernetes." } },
  examples: ["acl auth-method create -type jwt -name ci -config @ci.json -max-token-ttl 1h"],
  async run({ api, flags, io }) {
    const body = {
      Name: required("name", flags.name),
      Type: required("type", flags.type),
      ...givenFields(flags),
      Config: await configOf(flags),
    };
    show(
      io,
      readMethod(await api.json({ method: "PUT", path: "/v1/acl/auth-method", body: JSON.stringify(body) })),
      flags,
      pretty(flags),
    );
    return 0;
  },
});

const update = clientCommand({
  synopsis: "acl auth-method update -name=<name> [options]",
  summary: "Change an auth method; what is not given stays.",
  flags: { ...writeFlags, "no-merge": { type: "boolean", summary: "What is not given is taken away." } },
  async run({ api, flags, io }) {
    const wanted = required("name", flags.name);
    const { CreateIndex: _created, ModifyIndex: _modified, ...existing } = await fetchMethod(api, wanted);
    const kept = flags["no-merge"] === true ? { Name: existing.Name, Type: existing.Type } : existing;
    const config = await configOf(flags);
    const merged =
      flags["no-merge"] === true || flags.config !== undefined ? config : { ...existing.Config, ...config };
    const body = { ...kept, ...givenFields(flags), Config: merged };
    const answer = await api.json({ method: "PUT", path: pathOf(wanted), body: JSON.stringify(body) });
    show(io, readMethod(answer), flags, pretty(flags));
    return 0;
  },
});

const read = clientCommand({
  synopsis: "acl auth-method read -name=<name>",
  summary: "Print an auth method.",
  flags: { name, ...shownFlags },
  async run({ api, flags, io }) {
    show(io, await fetchMethod(api, required("name", flags.name)), flags, pretty(flags));
    return 0;
  },
});

const list = clientCommand({
  synopsis: "acl auth-method list",
  summary: "List the auth methods.",
  flags: shownFlags,
  async run({ api, flags, io }) {
    const answer = await api.json({ method: "GET", path: "/v1/acl/auth-methods" });
    const methods = mustBe(Type.Array(Method), answer ?? [], "a list of auth methods");
    show(io, methods, flags, (all) =>
      all.map((method) => `${method.Name}:\n${shortLines(method, flags, { indent: "   " })}`).join(""),
    );
    return 0;
  },
});

const remove = clientCommand({
  synopsis: "acl auth-method delete -name=<name>",
  summary: "Delete an auth method, its binding rules and the tokens of its logins.",
  flags: { name },
  async run({ api, flags, io }) {
    const wanted = required("name", flags.name);
    await api.call({ method: "DELETE", path: pathOf(wanted) });
    io.stdout(`Auth method "${wanted}" deleted successfully\n`);
    return 0;
  },
});

/** `atoll acl auth-method`: whose word counts for a login. */
export const authMethodCommand = commandGroup({
  name: "atoll acl auth-method",
  description: "Makes, changes and deletes auth methods.",
  commands: new Map([
    ["create", create],
    ["read", read],
    ["update", update],
    ["list", list],
    ["delete", remove],
  ]),
});

function pathOf(method: string): string {
  return `/v1/acl/auth-method/${encodeURIComponent(method)}`;
}

function readMethod(answer: unknown): Method {
  return mustBe(Method, answer, "an auth method");
}

async function fetchMethod(api: HttpApi, method: string): Promise<Method> {
  return readMethod(await api.json({ method: "GET", path: pathOf(method) }));
}

function givenFields(flags: WriteFlags): object {
  const given = {
    DisplayName: flags["display-name"],
    Description: flags.description,
    MaxTokenTTL: flags["max-token-ttl"],
    TokenLocality: flags["token-locality"],
    TokenNameFormat: flags["token-name-format"],
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

async function configOf(flags: WriteFlags): Promise<Record<string, unknown>> {
  const given = [
    ["Host", "kubernetes-host"],
    ["CACert", "kubernetes-ca-cert"],
    ["ServiceAccountJWT", "kubernetes-service-account-jwt"],
  ] as const;
  const fields: Record<string, unknown> = {};
  for (const [field, flag] of given) {
    const text = flags[flag];
    if (text !== undefined) fields[field] = (await textOrFile(flag, text)).trim();
  }
  if (flags.config === undefined) return fields;
  if (Object.keys(fields).length > 0) {
    throw new AtollError("INVALID_ARGUMENT", "Cannot use command line arguments with -config flag");
  }
  const text = await textOrFile("config", flags.config);
  const parsed = /^\s*\{/.test(text) ? parseJsonText(text) : parseHcl(text);
  if (!parsed.ok) {
    const where = `line ${parsed.line}, column ${parsed.column}`;
    throw new AtollError("INVALID_ARGUMENT", `flag -config, ${where}: ${parsed.message}`);
  }
  if (typeof parsed.value !== "object" || parsed.value === null) {
    throw new AtollError("INVALID_ARGUMENT", "flag -config must hold one object");
  }
  return { ...parsed.value };
}

const pretty =
  (flags: ShownFlags) =>
  (method: Method): string =>
    `${shortLines(method, flags, { withName: true })}Config:\n${JSON.stringify(method.Config ?? {}, null, 2)}\n`;

function shortLines(
  method: Method,
  { meta }: ShownFlags,
  { withName = false, indent = "" }: { readonly withName?: boolean; readonly indent?: string } = {},
): string {
  return fieldLines(
    [
      ["Name", withName ? method.Name : undefined],
      ["Type", method.Type],
      ["DisplayName", method.DisplayName],
      ["Description", method.Description],
      ["TokenLocality", method.TokenLocality],
      ["MaxTokenTTL", method.MaxTokenTTL],
      ["TokenNameFormat", method.TokenNameFormat],
      ["Create Index", meta === true ? String(method.CreateIndex) : undefined],
      ["Modify Index", meta === true ? String(method.ModifyIndex) : undefined],
    ],
    indent,
  );
}
