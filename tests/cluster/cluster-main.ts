import { parseArgs } from "node:util";
import { type FaultKind, faultKinds, faultKindsFor } from "./faults.ts";
import { whyNoSmallDisk } from "./full-disk.ts";
import { whyNoMultiServer } from "./multi-server-support.ts";
import { runRounds } from "./rounds.ts";
import { isClean, summaryOf } from "./summary.ts";

/**
 * `npm run cluster -- --minutes 10 [--servers 5] [--seed 7] [--faults kill,pause]`: real servers under load and faults
 * for that long; a line per fault and a summary. Exits 1 when a write was lost or a read was stale.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    servers: { type: "string", default: "3" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    faults: { type: "string" },
  },
});

const minutes = Number(values.minutes);
const servers = Number(values.servers);
const seed = Number(values.seed);
const possible = faultKindsFor(servers);
const wanted = values.faults?.split(",") ?? possible;
const kinds: FaultKind[] = possible.filter((kind) => wanted.includes(kind));
if (!(minutes > 0) || ![1, 3, 5].includes(servers) || !Number.isInteger(seed) || kinds.length !== wanted.length) {
  process.stderr.write(
    `usage: npm run cluster -- [--minutes N] [--servers 1|3|5] [--seed N] [--faults ${faultKinds.join(",")}]\n`,
  );
  process.exit(1);
}
const skipped = servers === 1 ? "" : await whyNoMultiServer();
if (skipped !== "") {
  process.stderr.write(`${skipped}\n`);
  process.exit(1);
}
if (servers > 1 && whyNoSmallDisk() !== "") process.stdout.write(`full-disk ${whyNoSmallDisk()}\n`);
const endMs = performance.now() + minutes * 60_000;
const report = await runRounds({
  servers,
  seed,
  kinds,
  isOver: () => performance.now() > endMs,
  onFault: (line) => process.stdout.write(`${line}\n`),
});
process.stdout.write(`${summaryOf(report)}\n`);
if (report.violation !== "") process.stdout.write(`${report.violation}\n`);
for (const line of [...report.lost, ...report.staleReads].slice(0, 20)) process.stdout.write(`${line}\n`);
process.exit(isClean(report) ? 0 : 1);
