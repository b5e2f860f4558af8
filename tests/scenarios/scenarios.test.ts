import { expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatScenario, parseScenario, runScenario } from "./scenario-file.ts";

/**
 * Every `*.txt` here, as etcd tells its subjects: commands and the exact log of what follows. `ATOLL_REWRITE=1` writes what is
 * seen into the files; the diff is then to be read, line by line.
 */
const folder = import.meta.dirname;
const isRewrite = process.env["ATOLL_REWRITE"] === "1";
const names = readdirSync(folder)
  .filter((name) => name.endsWith(".txt"))
  .sort();

for (const name of names) {
  test(name.replace(/\.txt$/, "").replaceAll("-", " "), () => {
    const text = readFileSync(join(folder, name), "utf8");
    const blocks = parseScenario(text);
    expect(blocks[0]?.commands.length, `${name} has to begin with a paragraph that says why it exists`).toBe(0);
    const seen = formatScenario(runScenario(blocks));
    if (isRewrite && seen !== text) writeFileSync(join(folder, name), seen);
    else expect(seen).toBe(text);
  });
}

test("there are scenarios, and one that sees something else fails", () => {
  expect(names.length).toBeGreaterThanOrEqual(25);
  const wrong = "# why\n\nadd-nodes a\ncampaign a\nstatus a\n----\na leader\n";
  expect(formatScenario(runScenario(parseScenario(wrong)))).not.toBe(wrong);
});
