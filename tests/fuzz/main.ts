import { type FuzzCase, type FuzzOptions, runCases } from "./fuzz-run.ts";
import { fuzzHpack } from "./hpack-case.ts";
import { fuzzHttp1 } from "./http1-case.ts";
import { fuzzConnection } from "./http2-case.ts";

/**
 * `bin/run-bun tests/fuzz/main.ts TARGET --cases N [--seed S] [--first I]`: fuzzes one codec and prints totals, or the case
 * that fails. A case is the same for the same seed and number.
 */
type Target = (options: FuzzOptions) => string | undefined;
const oneByOne =
  (run: FuzzCase): Target =>
  (options) =>
    runCases(run, options);
const targets: Readonly<Record<string, Target>> = {
  hpack: oneByOne(fuzzHpack),
  http1: fuzzHttp1,
  http2: oneByOne(fuzzConnection),
};
const [target = "", ...rest] = process.argv.slice(2);
const run = targets[target];
if (run === undefined) {
  process.stderr.write(
    `usage: tests/fuzz/main.ts ${Object.keys(targets).join("|")} --cases N [--seed S] [--first I]\n`,
  );
  process.exit(1);
}
const option = (name: string, otherwise: string): string => rest[rest.indexOf(name) + 1 || rest.length] ?? otherwise;
const seed = option("--seed", String(Math.floor(Math.random() * 2 ** 32)));
const first = Number(option("--first", "0"));
const count = Number(option("--cases", "10000"));
/** What is held in memory at once; llhttp costs a start of Node.js for each. */
const batch = 30_000;
const started = performance.now();
for (let done = 0; done < count; done += batch) {
  const problem = run({ seed, first: first + done, count: Math.min(batch, count - done) });
  if (problem !== undefined) {
    process.stdout.write(`${target} ${problem}\n`);
    process.exit(1);
  }
}
const seconds = (performance.now() - started) / 1000;
const residentMb = Math.round(process.memoryUsage().rss / 1e6);
process.stdout.write(
  `${JSON.stringify({ target, seed, cases: count, failed: 0, seconds: Math.round(seconds), residentMb })}\n`,
);
