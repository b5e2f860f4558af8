import { secondsUntil, startLeaseWorld } from "../cluster/lease-world.ts";
import { cutAgent } from "./cut-agent.ts";
import { report, rounded } from "./process.ts";

const timeoutMs = 40_000;

/**
 * How long the services of a lost agent stay among the passing ones, with the default lease: its process killed, its process
 * stopped in its tracks, its network cut, the leader killed in between. Three real servers. Exits with an error when a healthy node was ever
 * left out.
 */
export async function benchLostAgents(args: readonly string[]): Promise<void> {
  await cutAgent();
  if (args.includes("--cut-only")) return;
  await using world = await startLeaseWorld({ servers: 3, agents: 4 });
  const names = ["steady", "killed", "stopped", "restarted"];
  const [, killed, stopped, restarted] = await Promise.all(names.map((name) => world.startAgent(name)));
  if (killed === undefined || stopped === undefined || restarted === undefined) throw new Error("an agent is missing");
  await secondsUntil("all to pass", async () => (await world.passing()).length === names.length, timeoutMs);
  await secondsUntil("the one to be in DNS", () => world.isInDns("killed"), timeoutMs);

  // What is watched all the time: a node that is well must never be left out.
  let missed = 0;
  let looks = 0;
  let isOver = false;
  const watch = async (): Promise<void> => {
    while (!isOver) {
      const passing = await world.passing();
      looks++;
      if (passing.length > 0 && !passing.includes("steady")) missed++;
      await Bun.sleep(50);
    }
  };
  const watching = watch();
  const isOut = (name: string) => async (): Promise<boolean> => !(await world.passing()).includes(name);

  process.kill(killed.pid, "SIGKILL");
  const [killedSeconds, dnsSeconds] = await Promise.all([
    secondsUntil("the killed agent to be out", isOut("killed"), timeoutMs),
    secondsUntil("the killed agent to be out of DNS", async () => !(await world.isInDns("killed")), timeoutMs),
  ]);
  report({
    bench: "lost-agents",
    lost_by: "kill -9",
    seconds: rounded(killedSeconds),
    dns_seconds: rounded(dnsSeconds),
  });

  process.kill(stopped.pid, "SIGSTOP");
  const stoppedSeconds = await secondsUntil("the stopped agent to be out", isOut("stopped"), timeoutMs);
  process.kill(stopped.pid, "SIGCONT");
  const backSeconds = await secondsUntil("it to be back", async () => !(await isOut("stopped")()), timeoutMs);
  report({ bench: "lost-agents", lost_by: "kill -STOP", seconds: rounded(stoppedSeconds), back: rounded(backSeconds) });

  const leader = await world.leader();
  process.kill(stopped.pid, "SIGKILL");
  await Bun.sleep(2_000);
  leader.isRunning = false;
  await leader.process.end("SIGKILL");
  const failoverSeconds = await secondsUntil("the killed agent to be out", isOut("stopped"), timeoutMs);
  report({ bench: "lost-agents", lost_by: "kill -9, leader killed 2 s later", seconds: rounded(failoverSeconds + 2) });

  const next = await world.leader(leader);
  process.kill(next.process.pid, "SIGSTOP");
  next.isRunning = false;
  await Bun.sleep(1_000);
  process.kill(next.process.pid, "SIGCONT");
  next.isRunning = true;
  await restarted.end("SIGKILL");
  const again = await world.startAgent("restarted");
  await Bun.sleep(10_000);
  const isThere = !(await isOut("restarted")());
  report({ bench: "lost-agents", lost_by: "a restart of the agent within the lease", passes: isThere });
  isOver = true;
  await watching;
  report({
    bench: "lost-agents",
    looks,
    healthy_node_missing: missed,
    members: Object.fromEntries(await world.members()),
  });
  if (missed > 0 || !isThere) throw new Error("a healthy node was left out");
  await again.end("SIGTERM");
}
