import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { findViolations } from "./rules.ts";
import { parseSourceFile, readSourceFiles } from "./source-graph.ts";

const root = join(import.meta.dir, "..", "..");
const files = readSourceFiles(root);

test("no file breaks an import rule, a shape rule or uses a global that must be handed in", () => {
  expect(findViolations(files)).toEqual([]);
});

test("the import parser misses nothing that the runtime's own parser finds", () => {
  const transpiler = new Bun.Transpiler({ loader: "ts" });
  const missed = files.flatMap((file) => {
    const known = new Set(file.imports.filter((found) => !found.isTypeOnly).map((found) => found.target));
    return transpiler
      .scanImports(file.text)
      .filter(({ kind }) => kind === "import-statement" || kind === "dynamic-import" || kind === "require-call")
      .map(({ path }) => parseSourceFile(file.path, `import "${path}";`).imports[0]?.target ?? path)
      .filter((target) => !known.has(target))
      .map((target) => `${file.path}: ${target}`);
  });
  expect(files.length).toBeGreaterThan(20);
  expect(missed).toEqual([]);
});

describe("each rule catches a made-up violation", () => {
  test.each([
    [
      "server must not import agent",
      { "server/a.ts": 'import { b } from "../agent/b.ts";', "agent/b.ts": "" },
      ["server/a.ts imports agent/b.ts; server may import lib: a server runs without"],
    ],
    [
      "agent must not import proxy, not even a type",
      { "agent/a.ts": 'import type { B } from "../proxy/b.ts";', "proxy/b.ts": "" },
      ["agent/a.ts imports proxy/b.ts; agent may import lib: an agent reaches"],
    ],
    [
      "lib/base imports no other folder",
      { "lib/base/a.ts": 'export type { B } from "../contract/b.ts";', "lib/contract/b.ts": "" },
      ["lib/base/a.ts imports lib/contract/b.ts; lib/base may import no other folder: "],
    ],
    [
      "state takes types of the log, not its code",
      {
        "server/state/a.ts": 'import { b } from "../log/b.ts";\nimport type { C } from "../log/c.ts";',
        "server/log/b.ts": "",
        "server/log/c.ts": "",
      },
      ["server/state/a.ts imports server/log/b.ts; "],
    ],
    [
      "a proxy must not load fastify through another file",
      {
        "proxy/a.ts": 'import {\n  b,\n} from "../lib/contract/b.ts";',
        "lib/contract/b.ts": 'import { fastify } from "fastify";',
      },
      [
        "proxy/a.ts -> lib/contract/b.ts -> fastify: a proxy may",
        "lib/contract/b.ts imports fastify, allowed in lib/http",
      ],
    ],
    [
      "a folder of the project needs a rule",
      { "integrations/a.ts": "" },
      ["integrations/a.ts is in a folder without an import rule"],
    ],
    [
      "inbound and outbound are strangers",
      {
        "proxy/inbound/a.ts": 'import { b } from "../b.ts";',
        "proxy/b.ts": 'import { c } from "./outbound/c.ts";',
        "proxy/outbound/c.ts": 'import type { A } from "../inbound/a.ts";',
      },
      [
        "proxy/inbound/a.ts -> proxy/b.ts -> proxy/outbound/c.ts: each side",
        "proxy/outbound/c.ts -> proxy/inbound/a.ts: each side",
      ],
    ],
    [
      "state does no I/O",
      { "server/state/a.ts": 'import { readFileSync } from "node:fs";' },
      ["server/state/a.ts -> node:fs: state is synchronous"],
    ],
    [
      "files must not import each other in a circle",
      { "agent/a.ts": 'import { b } from "./b.ts";', "agent/b.ts": 'export { a } from "./a.ts";' },
      ["agent/a.ts -> agent/b.ts -> agent/a.ts: a cycle", "agent/b.ts -> agent/a.ts -> agent/b.ts: a cycle"],
    ],
    [
      "types and dynamic imports make no cycle",
      { "agent/a.ts": 'import type { B } from "./b.ts";', "agent/b.ts": 'const a = () => import("./a.ts");' },
      [],
    ],
    [
      "the clock, random, environment and console are handed in",
      {
        "agent/a.ts":
          'const t = Date.now();\nconst r = Math.random();\nconst e = process.env["X"];\nconsole.log(t);\nsetTimeout(f, 1);',
      },
      [
        "agent/a.ts:1 uses Date.now: ",
        "agent/a.ts:5 uses setTimeout: ",
        "agent/a.ts:2 uses Math.random: ",
        "agent/a.ts:3 uses process.env: ",
        "agent/a.ts:4 uses console: ",
      ],
    ],
    [
      "words in comments and strings are no use of them",
      { "agent/a.ts": '// Date.now()\n/* console.log */\nconst text = "process.env";' },
      [],
    ],
    [
      "a file that is too long, with a default export, importing what is not there",
      { "agent/a.ts": `import { b } from "./b.ts";\nexport default b;\n${"\n".repeat(400)}` },
      [
        "agent/a.ts imports agent/b.ts, which does not exist",
        "agent/a.ts has 402 lines, over 400",
        "agent/a.ts has a default export",
      ],
    ],
  ] as const)("%s", (_, sources: Readonly<Record<string, string>>, expected) => {
    const found = findViolations(Object.entries(sources).map(([path, text]) => parseSourceFile(path, text)));
    expect(found).toHaveLength(expected.length);
    for (const [i, start] of expected.entries()) expect(found[i]).toStartWith(start);
  });
});
