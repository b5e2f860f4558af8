import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type AclAgent, type AclAnswer, management, startAclAgent } from "./matrix-cluster.ts";
import { type MatrixRow, matrixRows, parameters } from "./matrix-rows.ts";

/**
 * Every route of a running agent and server over real HTTP, with: no token; one that nobody has; read of everything; all
 * rights but one that the route asks for; that right and nothing else; management. docs/acl-matrix.md is the result.
 */
const columns = ["no token", "unknown", "all but it", "read all", "only it", "management"] as const;
type Column = (typeof columns)[number];
type Cell = "ok" | "shown" | "hidden" | "403" | "409" | "not found";

const document = join(import.meta.dirname, "..", "..", "..", "docs", "acl-matrix.md");
let agent: AclAgent;
let isChanged = true;
let ids: Readonly<Record<string, string>> = {};
const tokens = new Map<string, string>();
const seen = new Map<string, ReadonlyMap<Column, Cell>>();

beforeAll(async () => {
  agent = await startAclAgent();
}, 30_000);
afterAll(async () => {
  await agent.stop();
});

test("every route has a row, and every row a route", () => {
  const routes = agent.running.http.routes.map(({ method, url }) => `${method} ${url}`).sort();
  const rows = matrixRows.map(({ route }) => route).sort();
  const without = routes.filter((route) => !rows.includes(route));
  // A route that nobody thought about must not get in: say in tests/mesh/acl/matrix-rows.ts what it asks of a token.
  expect(without).toEqual([]);
  expect(rows.filter((route) => !routes.includes(route))).toEqual([]);
  expect(new Set(rows).size).toBe(rows.length);
});

test("each route asks for its rule and for nothing else", async () => {
  const wrong: string[] = [];
  for (const row of matrixRows) {
    const cells = await tryRow(row);
    seen.set(row.route, cells);
    for (const column of columns) {
      const [actual, expected] = [cells.get(column), expectedCell(row, column)];
      if (actual !== expected) wrong.push(`${row.route} with ${column}: ${actual}, expected ${expected}`);
    }
  }
  expect(wrong).toEqual([]);
}, 60_000);

test("the printed matrix is what was seen", async () => {
  const text = printed();
  if (process.env["ATOLL_REWRITE"] === "1") await writeFile(document, text);
  expect(await readFile(document, "utf8")).toBe(text);
});

async function tryRow(row: MatrixRow): Promise<ReadonlyMap<Column, Cell>> {
  const cells = new Map<Column, Cell>();
  const ask = async (token?: string): Promise<Cell> => {
    // What the last one may have removed is needed again.
    if (isChanged) ids = await agent.setUp();
    const [method = ""] = row.route.split(" ");
    const answer = await agent.call(method, urlOf(row), token, row.body);
    isChanged = method !== "GET" && answer.status < 400;
    return cellOf(row, answer);
  };
  cells.set("no token", await ask());
  cells.set("unknown", await ask("00000000-1111-2222-3333-444444444444"));
  const lacking: Cell[] = [];
  for (const rule of row.rules) lacking.push(await ask(await tokenOf(everythingBut(rule))));
  const unlike = lacking.find((cell) => cell !== lacking[0]);
  cells.set("all but it", unlike ?? lacking[0] ?? (await ask(management)));
  cells.set("read all", await ask(await tokenOf(everything("read"))));
  cells.set("only it", await ask(await tokenOf(row.rules.map(only).join("\n"))));
  cells.set("management", await ask(management));
  return cells;
}

function expectedCell(row: MatrixRow, column: Column): Cell {
  const isEnough =
    column === "management" ||
    column === "only it" ||
    (column === "read all" && row.rules.every((rule) => rule.includes(":read")));
  switch (row.kind) {
    case "open":
      return "ok";
    case "any":
      return column === "unknown" ? "not found" : "ok";
    case "own":
      return column === "unknown" || column === "no token" ? "not found" : "ok";
    case "demand":
      if (column === "unknown") return "not found";
      return isEnough ? "ok" : (row.denial ?? "403");
    case "filter":
      if (column === "unknown") return "not found";
      return isEnough ? "shown" : "hidden";
  }
}

/** Not for want of a rule. */
const otherDenials = /ACL bootstrap no longer allowed|token wasn't created via login/;

function cellOf(row: MatrixRow, { status, text }: AclAnswer): Cell {
  if (status === 403 && text === "ACL not found") return "not found";
  if (status === 403 && text.startsWith("Permission denied:") && !otherDenials.test(text)) return "403";
  // A transaction says of each operation why it was not done.
  if (status === 409 && text.includes("Permission denied:")) return "409";
  // Of keys that nobody may see there are none.
  if (row.kind === "filter" && status === 404) return "hidden";
  if (row.kind !== "filter" || status !== 200) return "ok";
  return text.includes(row.marker ?? "") ? "shown" : "hidden";
}

function urlOf(row: MatrixRow): string {
  const [, pattern = ""] = row.route.split(" ");
  const url = row.url ?? pattern.replace(/:[a-z]+|\*/g, (name) => parameters[name] ?? name);
  return url.replace(/\{(\w+)\}/g, (_all, name: string) => ids[name] ?? "");
}

async function tokenOf(rules: string): Promise<string> {
  const known = tokens.get(rules);
  const token = known ?? (await agent.token(rules));
  tokens.set(rules, token);
  return token;
}

const named = ["agent", "event", "key", "node", "query", "session"];
const whole = ["acl", "keyring", "mesh", "operator", "peering"];

function everything(access: "read" | "write"): string {
  return [
    ...named.map((name) => `${name}_prefix "" { policy = "${access}" }`),
    `service_prefix "" {\n policy = "${access}"\n intentions = "${access}"\n}`,
    ...whole.map((name) => `${name} = "${access}"`),
  ].join("\n");
}

function everythingBut(rule: string): string {
  const { resource, name } = parts(rule);
  const rest = everything("write");
  if (whole.includes(resource)) return rest.replace(`${resource} = "write"`, `${resource} = "deny"`);
  if (resource === "intention") return `${rest}\nservice "${name}" {\n policy = "write"\n intentions = "deny"\n}`;
  return `${rest}\n${resource} "${name}" { policy = "deny" }`;
}

function only(rule: string): string {
  const { resource, access, name } = parts(rule);
  if (whole.includes(resource)) return `${resource} = "${access}"`;
  if (resource === "intention") return `service "${name}" {\n policy = "deny"\n intentions = "${access}"\n}`;
  return `${resource} "${name}" { policy = "${access}" }`;
}

function parts(rule: string): { readonly resource: string; readonly access: string; readonly name: string } {
  const [resource = "", access = "", name = ""] = rule.split(":");
  return { resource, access, name };
}

function printed(): string {
  const body = matrixRows.map((row) => {
    const cells = seen.get(row.route);
    return [`\`${row.route}\``, rulesText(row), ...columns.map((column) => cells?.get(column) ?? "")];
  });
  const header = ["Route", "Asks for", ...columns];
  const table = [header, header.map(() => "---"), ...body].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  return `${intro}\n${table}\n`;
}

function rulesText({ kind, rules }: MatrixRow): string {
  if (kind === "any") return "any token";
  if (kind === "own") return "a token of its own";
  if (kind === "open") return "nothing";
  return rules.map((rule) => rule.split(":").slice(0, 2).join(":")).join(", ");
}

const intro = `# What every route asks of a token

Made by \`ATOLL_REWRITE=1 bin/run-bun test tests/mesh/acl\`, which calls every route of a running agent and server over HTTP, with all
that is denied by default; the test fails when an answer is another one, and when a route has no row. "All but it" is a token with
every right but one that the route asks for; "only it" has that right and no other. \`shown\` and \`hidden\`: the entry in question of a list;
\`not found\`: 403 \`ACL not found\`.
`;
