/**
 * Cleans up after the demo, however it ends: it waits for its standard input to close, which happens when the demo says
 * so, crashes or is killed, then ends every process of the folder and removes it.
 */
import { rmSync } from "node:fs";
import { endProcessesOf } from "./leftovers.ts";

const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: guard.ts FOLDER");
// Detached from the terminal's Ctrl-C, which is for the demo; the closed pipe is what counts.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
process.stdin.resume();
await new Promise((resolve) => process.stdin.once("close", resolve));
const left = await endProcessesOf(folder);
rmSync(folder, { recursive: true, force: true });
if (left.length > 0) {
  console.error(`the demo could not end these processes: ${left.join(", ")}`);
  process.exit(1);
}
