import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePorts } from "../../tools/free-ports.ts";

/**
 * Why the tests of several servers cannot run, empty when they can: asks the real executable. Only its own refusal counts.
 * A server that crashes on the same command line is no reason to skip: that has to fail the tests.
 */
export async function whyNoMultiServer(): Promise<string> {
  if (process.platform !== "linux") return "skipped: needs the loopback addresses and /proc of Linux";
  const directory = mkdtempSync(join(tmpdir(), "atoll-probe-"));
  const [httpPort = 0, rpcPort = 0, otherPort = 0] = await findFreePorts("127.0.0.1", 3);
  const atoll = join(import.meta.dirname, "..", "..", "bin", "atoll");
  const flags = ["-server", "-bootstrap-expect=3", `-join=127.0.0.1:${otherPort}`, `-data-dir=${directory}`];
  const ports = ["-bind=127.0.0.1", `-http-port=${httpPort}`, `-rpc-port=${rpcPort}`, "-dns-port=-1"];
  const child = Bun.spawn([atoll, "agent", ...flags, ...ports], { stdout: "pipe", stderr: "pipe" });
  // A version that takes the flags keeps running, or ends for another reason: both are for the tests to judge.
  const giveUp = setTimeout(() => child.kill("SIGKILL"), 1_500);
  const text = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
  await child.exited;
  clearTimeout(giveUp);
  rmSync(directory, { recursive: true, force: true });
  return /this version runs exactly one server/.test(text)
    ? "skipped: this version of atoll refuses -bootstrap-expect=3"
    : "";
}
