/**
 * `npm run demo`: a mesh of one server and three agents on this machine, told step by step with what was really seen.
 * It stays up until Ctrl-C; with `--check` it ends after the last step, with 0 when every step was as it should be.
 */
import { errorMessage } from "../../lib/base/errors.ts";
import { planLayout } from "./layout.ts";
import { createProcesses } from "./processes.ts";
import { allowOnlyOurHops, allowWebAgain, denyWeb } from "./steps/intentions.ts";
import { callThrough } from "./steps/call-through.ts";
import { loseInstance } from "./steps/lose-instance.ts";
import { refusePlaintext } from "./steps/refuse-plaintext.ts";
import { discover, startNodes, startServices } from "./steps/start.ts";
import { createStory, type Story, type Tell } from "./story.ts";
import { whereToLook } from "./where-to-look.ts";
import { createWorld, type World } from "./world.ts";

/** The whole story may not take longer, or a check could hang a CI machine. */
const storyTimeoutMs = 150_000;

type Step = (world: World, tell: Tell) => Promise<string>;
const steps: readonly (readonly [title: string, step: Step])[] = [
  ["a server and three agents", startNodes],
  ["services with sidecars", startServices],
  ["discovery", discover],
  ["deny by default", allowOnlyOurHops],
  ["an allowed call through every hop", callThrough],
  ["the intention denies web -> api", denyWeb],
  ["the intention allows web -> api", allowWebAgain],
  ["plaintext to a mesh port", refusePlaintext],
  ["an instance is killed", loseInstance],
];

const unknown = process.argv.slice(2).filter((arg) => arg !== "--check");
if (unknown.length > 0) {
  console.error(`error: unknown argument "${unknown[0]}"; the demo takes --check only`);
  process.exit(1);
}
const isCheck = process.argv.includes("--check");
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());
const interrupted = new Promise<"interrupted">((resolve) => {
  stop.signal.addEventListener("abort", () => resolve("interrupted"), { once: true });
});

const layout = await planLayout();
const processes = createProcesses(layout.folder);
const world = createWorld(layout, processes);
let exitCode = 0;
try {
  const story = createStory({ isCheck, print: console.log });
  const outcome = await Promise.race([
    tellStory(world, story),
    interrupted,
    Bun.sleep(storyTimeoutMs).then(() => "late"),
  ]);
  if (outcome === "late") throw new Error(`the demo was not done within ${storyTimeoutMs / 1000} s`);
  if (outcome === "interrupted") exitCode = 130;
  if (outcome === "failed") exitCode = 1;
  if (outcome === "told" && !isCheck) await stayUp(world);
} catch (thrown) {
  console.error(`the demo failed: ${errorMessage(thrown)}`);
  exitCode = 1;
}
if (!isCheck) console.log("\nending everything that was started");
if (!(await processes.endAll())) exitCode = 1;
process.exit(exitCode);

/** Stops at the first step that fails: the next ones stand on it. */
async function tellStory(world: World, story: Story): Promise<"told" | "failed"> {
  for (const [title, step] of steps) {
    if (!(await story.step(title, (tell) => step(world, tell)))) return "failed";
  }
  return "told";
}

/** Until Ctrl-C, or until something ends that should not. */
async function stayUp(world: World): Promise<void> {
  console.log(whereToLook(world));
  const failed = new Promise<never>((_, reject) => {
    world.processes.failure.addEventListener("abort", () => reject(world.processes.failure.reason), { once: true });
  });
  await Promise.race([interrupted, failed]);
}
