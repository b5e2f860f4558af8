import { expect, test } from "bun:test";
import { join } from "node:path";
import { readSourceFiles } from "./source-graph.ts";

const proxy = readSourceFiles(join(import.meta.dir, "..", "..")).filter(({ path }) => path.startsWith("proxy/"));

/** What reads and writes HTTP without our strict rules, or unpacks bodies. */
const foreignParsers = ["node:http", "node:https", "node:http2", "node:zlib"];
/** Takes a table of reason phrases from there, and nothing that parses. */
const exceptions: ReadonlySet<string> = new Set(["proxy/http1/encode-head.ts"]);

test("a proxy reads HTTP with its own codecs only: no lenient parser (insecureHTTPParser), nothing that unpacks bodies", () => {
  expect(proxy.length).toBeGreaterThan(50);
  const found = proxy.filter(
    ({ path, imports, text }) =>
      text.includes("insecureHTTPParser") ||
      (!exceptions.has(path) && imports.some(({ target }) => foreignParsers.includes(target))),
  );
  expect(found.map(({ path }) => path)).toEqual([]);
  const phrases = proxy.find(({ path }) => exceptions.has(path));
  expect(phrases?.text).toMatch(/import \{ STATUS_CODES \} from "node:http"/);
});
