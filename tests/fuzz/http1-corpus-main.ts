import { writeFileSync } from "node:fs";
import { createRng } from "../sim/random.ts";
import { caseOf, corpus, type Http1Case, signatureOf } from "./http1-case.ts";
import { readByLlhttp } from "./llhttp.ts";

/**
 * `bin/run-bun tests/fuzz/http1-corpus-main.ts [--cases N] [--seed S]`: adds to the corpus. For every way in which the two
 * parsers can end (how many messages each read and what each said), the shortest input that is known is kept.
 */
const args = process.argv.slice(2);
const option = (name: string, otherwise: string): string => args[args.indexOf(name) + 1 || args.length] ?? otherwise;
const seed = option("--seed", String(Math.floor(Math.random() * 2 ** 32)));
const count = Number(option("--cases", "100000"));
const batch = 10_000;
const maxLength = 400;

const shortest = new Map<string, Http1Case>();
keep(corpus);
for (let done = 0; done < count; done += batch) {
  const size = Math.min(batch, count - done);
  keep(Array.from({ length: size }, (_, i) => caseOf(createRng(`${seed}/${done + i}`))));
}
const lines = [...shortest.entries()]
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([signature, { text }]) => `${signature}\t${JSON.stringify(text)}`);
const header = "# kind, our messages and how they end, what llhttp says, input; written by http1-corpus-main.ts";
writeFileSync(new URL("./corpus/http1-endings.txt", import.meta.url), `${header}\n${lines.join("\n")}\n`);
process.stdout.write(`${lines.length} inputs\n`);

function keep(cases: readonly Http1Case[]): void {
  const readings = readByLlhttp(cases.map(({ kind, text }) => ({ kind, bytes: Buffer.from(text, "latin1") })));
  for (const [i, item] of cases.entries()) {
    const their = readings[i];
    if (their === undefined || item.text.length > maxLength) continue;
    const signature = signatureOf(item, their);
    const known = shortest.get(signature);
    if (known === undefined || item.text.length < known.text.length) shortest.set(signature, item);
  }
}
