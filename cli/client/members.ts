import { Type } from "typebox";
import type { Static } from "typebox";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { formatTable } from "../table.ts";
import { clientCommand, mustBe, printJson } from "./client-command.ts";

const Members = Type.Array(
  Type.Object({
    Name: Type.String(),
    Addr: Type.String(),
    Port: Type.Integer(),
    Tags: Type.Record(Type.String(), Type.String()),
    Status: Type.Integer(),
  }),
);
type Member = Static<typeof Members>[number];

const flags = {
  detailed: { type: "boolean", summary: "Print every tag of a member in the place of type, build and datacenter." },
  wan: { type: "boolean", summary: "Print the servers as other datacenters know them." },
  status: { type: "string", placeholder: "regexp", summary: "Print only members whose status matches." },
  filter: { type: "string", placeholder: "expression", summary: "Have the servers leave out what does not match." },
  format: { type: "string", placeholder: "pretty|json", summary: "A table (the default) or the JSON of the API." },
} as const;

/** Serf's numbers, in Consul's words. */
const statusWords = new Map([
  [1, "alive"],
  [2, "leaving"],
  [3, "left"],
  [4, "failed"],
]);

/** `atoll members`: Consul's table, column for column. */
export const membersCommand = clientCommand({
  synopsis: "members [options]",
  summary: "Prints the members of the cluster: every agent that holds a lease or held one.",
  description: "Exits 2 when none matches.",
  flags,
  examples: ["members", "members -status=failed", "members -detailed"],
  async run({ api, flags: given, io }) {
    const format = given.format ?? "pretty";
    if (format !== "pretty" && format !== "json") {
      throw new AtollError("INVALID_ARGUMENT", `-format must be pretty or json, found "${format}"`);
    }
    const status = statusPattern(given.status ?? ".*");
    const query: Record<string, string> = { segment: "_all" };
    if (given.wan === true) query["wan"] = "1";
    if (given.filter !== undefined) query["filter"] = given.filter;
    const answer = await api.json({ method: "GET", path: "/v1/agent/members", query });
    const members = mustBe(Members, answer, "a list of members")
      .filter((member) => status.test(statusOf(member)))
      .toSorted((a, b) => (a.Name < b.Name ? -1 : 1));
    if (members.length === 0) return 2;
    if (format === "json") printJson(io, members);
    else io.stdout(table(members, given.detailed === true));
    return 0;
  },
});

function statusPattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new AtollError("INVALID_ARGUMENT", `-status: "${text}" is not a regular expression`, { cause });
  }
}

function statusOf(member: Member): string {
  return statusWords.get(member.Status) ?? "unknown";
}

function table(members: readonly Member[], isDetailed: boolean): string {
  const address = (member: Member): string =>
    member.Addr.includes(":") ? `[${member.Addr}]:${member.Port}` : `${member.Addr}:${member.Port}`;
  if (isDetailed) {
    return formatTable([
      ["Node", "Address", "Status", "Tags"],
      ...members.map((member) => [member.Name, address(member), statusOf(member), tagsOf(member)]),
    ]);
  }
  return formatTable([
    ["Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Partition", "Segment"],
    ...members.map((member) => {
      const { role, build = "", vsn = "", dc = "" } = member.Tags;
      const isServer = role === "consul";
      const type = isServer ? "server" : "client";
      const segment = isServer ? "<all>" : "<default>";
      return [member.Name, address(member), statusOf(member), type, build, vsn, dc, "default", segment];
    }),
  ]);
}

function tagsOf({ Tags }: Member): string {
  return Object.entries(Tags)
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join(",");
}
