import { runKillRounds } from "./kill-rounds.ts";

/** `npm run kill-rounds -- 50`: as many rounds as asked for, one line each; exits 1 when an acknowledged write was lost. */
const rounds = Number(process.argv[2] ?? 50);
if (!Number.isInteger(rounds) || rounds < 1 || rounds > 1_000) {
  process.stderr.write("usage: npm run kill-rounds -- ROUNDS, from 1 to 1000\n");
  process.exit(1);
}
const report = await runKillRounds(rounds, ({ rounds: round, acknowledged, lost }) => {
  process.stdout.write(`round ${round}: ${acknowledged} acknowledged so far, ${lost.length} lost\n`);
});
process.stdout.write(`${JSON.stringify({ ...report, lost: report.lost.length })}\n`);
process.exit(report.lost.length === 0 && report.indexFalls === 0 ? 0 : 1);
