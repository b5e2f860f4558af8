import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** HCL as its users write it, and random changes of it. */
const folder = join(import.meta.dir, "hcl");

export const hclFiles: readonly { readonly name: string; readonly text: string }[] = readdirSync(folder).map(
  (name) => ({
    name,
    text: readFileSync(join(folder, name), "utf8"),
  }),
);

const fragments = [
  ...'{}[]=,"\\$#/<-\n .:+0e',
  "{ }",
  "a = ",
  'b "c" {',
  "}\n",
  "<<EOF\n",
  "<<-EOF\n",
  "\nEOF\n",
  "\n  EOF\n",
  "${",
  '\\"',
  "\\x4",
  "\\777",
  "/*",
  "*/",
  "//",
  "0x",
  "1.5e",
  "-",
  "true",
  "null",
  "\r\n",
  "\t",
  "\0",
  "é",
  "😀",
  "\u2028",
];

/** A corpus text with up to `changes` small harms; the same for the same numbers that `random` gives, each in [0, 1). */
export function harmedHcl(random: () => number, changes: number): string {
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  let text = pick(hclFiles)?.text ?? "";
  // Some lines of it, so that what is harmed is not always behind the first error.
  const lines = text.split("\n");
  const start = Math.floor(random() * lines.length);
  text = random() < 0.3 ? text : `${lines.slice(start, start + 1 + Math.floor(random() * 12)).join("\n")}\n`;
  for (let change = Math.floor(random() * (changes + 1)); change > 0; change--) {
    const at = Math.floor(random() * (text.length + 1));
    const cut = random() < 0.6 ? Math.floor(random() * 6) : 0;
    text = text.slice(0, at) + (random() < 0.7 ? (pick(fragments) ?? "") : "") + text.slice(at + cut);
  }
  return text.toWellFormed();
}
