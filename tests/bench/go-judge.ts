import { goJudge } from "../judges/programs.ts";
import { loadCore, mustFind } from "./process.ts";

/** The Go program of `tests/judges/go`; throws with the reason when it cannot be built. */
export async function mustBuildGoJudge(): Promise<string> {
  const { path, note } = await goJudge();
  if (path === "") throw new Error(`this bench needs Go and the modules of tests/judges/go${note}`);
  return path;
}

/** Runs one of its commands on the load core and reads the JSON line that it prints. Throws when it reports an error. */
export async function runGoJudge(args: readonly string[]): Promise<Readonly<Record<string, number>>> {
  const command = [mustFind("taskset"), "-c", `${loadCore}`, await mustBuildGoJudge(), ...args];
  // One thread for its goroutines: with more the kernel moves the work between threads of the one core.
  const env = { ...process.env, GOMAXPROCS: "1" };
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe", env });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(`${args.join(" ")} failed: ${stderr}`);
  return JSON.parse(stdout);
}
