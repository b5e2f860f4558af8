import { type Static, Type } from "typebox";
import { clientCommand, mustBe, pairs } from "../client-command.ts";
import type { HttpApi } from "../../http-api.ts";
import { commandGroup } from "../../subcommands.ts";
import { fieldLines, required, show, type ShownFlags, shownFlags } from "./shown.ts";

const Rule = Type.Object({
  ID: Type.String(),
  Description: Type.String(),
  AuthMethod: Type.String(),
  Selector: Type.String(),
  BindType: Type.String(),
  BindName: Type.String(),
  BindVars: Type.Optional(Type.Object({ Name: Type.String() })),
  CreateIndex: Type.Integer(),
  ModifyIndex: Type.Integer(),
});
type Rule = Static<typeof Rule>;

const id = { type: "string", placeholder: "id", summary: "Id of the binding rule." } as const;
const writeFlags = {
  description: { type: "string", placeholder: "text", summary: "What it is for." },
  selector: { type: "string", placeholder: "expression", summary: "Which logins it is for; without one, all." },
  "bind-type": { type: "string", placeholder: "type", summary: "service, node, role, policy or templated-policy." },
  "bind-name": { type: "string", placeholder: "name", summary: "What is granted, with variables of the login." },
  "bind-vars": {
    type: "string",
    multiple: true,
    placeholder: "name=text",
    summary: "Variable of a templated policy: name=<text>, with variables of the login.",
  },
  ...shownFlags,
} as const;

interface WriteFlags extends ShownFlags {
  readonly description?: string | undefined;
  readonly selector?: string | undefined;
  readonly "bind-type"?: string | undefined;
  readonly "bind-name"?: string | undefined;
  readonly "bind-vars": readonly string[];
}

const create = clientCommand({
  synopsis: "acl binding-rule create -method=<name> -bind-type=<type> -bind-name=<name> [options]",
  summary: "Make a binding rule.",
  flags: { method: { type: "string", placeholder: "name", summary: "The auth method it is for." }, ...writeFlags },
  examples: ["acl binding-rule create -method ci -bind-type role -bind-name deployer -selector 'value.branch == main'"],
  async run({ api, flags, io }) {
    const body = {
      AuthMethod: required("method", flags.method),
      ...givenFields(flags),
      BindType: required("bind-type", flags["bind-type"]),
      BindName: required("bind-name", flags["bind-name"]),
    };
    const answer = await api.json({ method: "PUT", path: "/v1/acl/binding-rule", body: JSON.stringify(body) });
    show(io, readRule(answer), flags, pretty(flags));
    return 0;
  },
});

const update = clientCommand({
  synopsis: "acl binding-rule update -id=<id> [options]",
  summary: "Change a binding rule; what is not given stays.",
  flags: { id, ...writeFlags, "no-merge": { type: "boolean", summary: "What is not given is taken away." } },
  async run({ api, flags, io }) {
    const wanted = required("id", flags.id);
    const { CreateIndex: _created, ModifyIndex: _modified, ...existing } = await fetchRule(api, wanted);
    const kept = flags["no-merge"] === true ? { AuthMethod: existing.AuthMethod } : existing;
    const body = { ...kept, ID: wanted, ...givenFields(flags) };
    const answer = await api.json({ method: "PUT", path: pathOf(wanted), body: JSON.stringify(body) });
    show(io, readRule(answer), flags, pretty(flags));
    return 0;
  },
});

const read = clientCommand({
  synopsis: "acl binding-rule read -id=<id>",
  summary: "Print a binding rule.",
  flags: { id, ...shownFlags },
  async run({ api, flags, io }) {
    show(io, await fetchRule(api, required("id", flags.id)), flags, pretty(flags));
    return 0;
  },
});

const list = clientCommand({
  synopsis: "acl binding-rule list [-method=<name>]",
  summary: "List the binding rules.",
  flags: { method: { type: "string", placeholder: "name", summary: "Only those for it." }, ...shownFlags },
  async run({ api, flags, io }) {
    const query: Record<string, string> = flags.method === undefined ? {} : { authmethod: flags.method };
    const answer = await api.json({ method: "GET", path: "/v1/acl/binding-rules", query });
    const rules = mustBe(Type.Array(Rule), answer ?? [], "a list of binding rules");
    show(io, rules, flags, (all) =>
      all.map((rule) => `${rule.ID}:\n${lines(rule, flags, { indent: "   " })}`).join(""),
    );
    return 0;
  },
});

const remove = clientCommand({
  synopsis: "acl binding-rule delete -id=<id>",
  summary: "Delete a binding rule.",
  flags: { id },
  async run({ api, flags, io }) {
    const wanted = required("id", flags.id);
    await api.call({ method: "DELETE", path: pathOf(wanted) });
    io.stdout(`Binding rule "${wanted}" deleted successfully\n`);
    return 0;
  },
});

/** `atoll acl binding-rule`: what logins are granted. */
export const bindingRuleCommand = commandGroup({
  name: "atoll acl binding-rule",
  description: "Makes, changes and deletes binding rules.",
  commands: new Map([
    ["create", create],
    ["read", read],
    ["update", update],
    ["list", list],
    ["delete", remove],
  ]),
});

function pathOf(rule: string): string {
  return `/v1/acl/binding-rule/${encodeURIComponent(rule)}`;
}

function readRule(answer: unknown): Rule {
  return mustBe(Rule, answer, "a binding rule");
}

async function fetchRule(api: HttpApi, rule: string): Promise<Rule> {
  return readRule(await api.json({ method: "GET", path: pathOf(rule) }));
}

function givenFields(flags: WriteFlags): object {
  const variables = Object.entries(pairs("bind-vars", flags["bind-vars"]));
  const given = {
    Description: flags.description,
    Selector: flags.selector,
    BindType: flags["bind-type"],
    BindName: flags["bind-name"],
    BindVars: variables.length === 0 ? undefined : Object.fromEntries(variables),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

const pretty =
  (flags: ShownFlags) =>
  (rule: Rule): string =>
    lines(rule, flags, { withId: true });

function lines(
  rule: Rule,
  { meta }: ShownFlags,
  { withId = false, indent = "" }: { readonly withId?: boolean; readonly indent?: string },
): string {
  return fieldLines(
    [
      ["ID", withId ? rule.ID : undefined],
      ["AuthMethod", rule.AuthMethod],
      ["Description", rule.Description],
      ["BindType", rule.BindType],
      ["BindName", rule.BindName],
      ["BindVars", rule.BindVars === undefined ? undefined : `Name=${rule.BindVars.Name}`],
      ["Selector", rule.Selector],
      ["Create Index", meta === true ? String(rule.CreateIndex) : undefined],
      ["Modify Index", meta === true ? String(rule.ModifyIndex) : undefined],
    ],
    indent,
  );
}
