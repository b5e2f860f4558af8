import type { Answer } from "./answer.ts";

/** Ours alone, Consul's of one version, or of how it answered and not of what. */
const howAnswered = [
  "Backend",
  "ConsistencyLevel",
  "Index",
  "KnownLeader",
  "LastContact",
  "NotModified",
  "ResultsFilteredByACLs",
];
const ignoredFields = new Set(["Owner", "Lease", "PeerName", "DeadServerTimeout", "ResolvedByAgent", ...howAnswered]);
/** Of one run, or of the program itself. */
const ownFields = new Set(["Version", "version", "build", "CustomizationHash", "ContentHash", "LTime", "Rules"]);
/** Sent by later versions of Consul than the one that was asked, or with more answers. */
const ignoredHeaders = ["x-consul-effective-consistency", "x-consul-query-backend", "x-cache"];
const readHeaders = ["x-consul-index", "x-consul-knownleader", "x-consul-lastcontact"];

/**
 * What both must say alike: `null`, `false`, `{}`, `[]`, `""`, `0s` and an absent member mean the same, since Go leaves out what is
 * empty and reads what is left out as empty; lists of words and objects have no order.
 */
export function lean(answer: Answer): Answer {
  const ignored = answer.status >= 400 ? [...ignoredHeaders, ...readHeaders] : ignoredHeaders;
  const headers = Object.entries(answer.headers)
    .filter(([name]) => !ignored.includes(name))
    .map(([name, value]): [string, string] => [name, value.replace("; charset=utf-8", "")]);
  return { ...answer, headers: Object.fromEntries(headers.toSorted(byText)), body: leanValue(answer.body) ?? "" };
}

function leanValue(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items: unknown[] = value.map(leanValue);
    return items.every((item) => typeof item === "string") ? items.toSorted() : items;
  }
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value)
    .filter(([name]) => !ignoredFields.has(name))
    .map(([name, member]): [string, unknown] => [name, ownFields.has(name) ? "<own>" : leanValue(member)])
    .filter(([, member]) => !isNothing(member));
  return Object.fromEntries(members.toSorted(byText));
}

function isNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === "" || value === false || value === "0s") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function byText([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
