/**
 * `client.ts PORT RATE SECONDS`: sends so many requests a second at even intervals, whatever comes of them, and prints a line of JSON for each
 * second: how many each backend has answered, and how many failed. The first line says when it began.
 */
import { Agent, get } from "node:http";

const [port = "0", rate = "100", seconds = "10"] = process.argv.slice(2);
const ticksPerSecond = 20;
/** A request that takes longer has failed. */
const patienceMs = 2_000;

interface Second {
  readonly answered: Record<string, number>;
  failed: number;
}

const rows = new Map<number, Second>();
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const startMs = performance.now();
console.log(JSON.stringify({ startedAtMs: Date.now() }));

const perTick = Math.max(1, Math.round(Number(rate) / ticksPerSecond));
const ticks = Number(seconds) * ticksPerSecond;
for (let tick = 0; tick < ticks; tick++) {
  const dueMs = (tick * 1_000) / ticksPerSecond;
  await Bun.sleep(Math.max(0, startMs + dueMs - performance.now()));
  for (let i = 0; i < perTick; i++) send(Math.floor(dueMs / 1_000));
}
await Bun.sleep(patienceMs);
for (const [second, row] of [...rows].toSorted(([a], [b]) => a - b)) console.log(JSON.stringify({ second, ...row }));
process.exit();

function send(second: number): void {
  const row = rows.get(second) ?? { answered: {}, failed: 0 };
  rows.set(second, row);
  const request = get({ host: "127.0.0.1", port: Number(port), path: "/", agent, timeout: patienceMs }, (response) => {
    response.resume();
    const backend = `${response.headers["x-backend"] ?? "nobody"}`;
    row.answered[backend] = (row.answered[backend] ?? 0) + 1;
    if (response.statusCode !== 200) row.failed++;
  });
  request.on("timeout", () => request.destroy());
  request.on("error", () => row.failed++);
}
