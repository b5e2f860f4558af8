import { expect, test } from "bun:test";
import type { Coordinate, CoordinateFields } from "../../lib/contract/coordinates.ts";
import { eventually } from "../fakes/eventually.ts";
import { secondsUntil, service, startLeaseWorld, type WorldAgent } from "./lease-world.ts";
import { whyNoMultiServer } from "./multi-server-support.ts";

const skipReason = await whyNoMultiServer();
/** Short for who is to be lost; the others may come to a halt on a busy machine and must not be. */
const leases: Readonly<Record<string, object>> = {
  killed: { ttl: "2s", reap_after: "1500ms" },
  wiped: { ttl: "6s" },
};
const timeoutMs = 30_000;

async function placesOf(agent: WorldAgent): Promise<ReadonlyMap<string, Coordinate>> {
  const answer = await agent.api("GET", "coordinate/nodes");
  const records: readonly CoordinateFields[] = Array.isArray(answer) ? answer : [];
  return new Map(records.map(({ Node, Coord }) => [Node, Coord]));
}

/** Who has measured its way to a server, and told the result. */
async function measured(agent: WorldAgent): Promise<string[]> {
  return [...(await placesOf(agent))].filter(([, { Vec }]) => Math.hypot(...Vec) > 0).map(([node]) => node);
}

/** All of the agents find out where they are, and an agent's lists are sorted by the way from it. */
async function expectPlaces(agent: WorldAgent, names: readonly string[]): Promise<void> {
  await eventually("places of the agents", async () => {
    const found = await measured(agent);
    return names.every((name) => found.includes(name));
  });
  const own = (await placesOf(agent)).get(agent.name);
  if (own === undefined) throw new Error("the agent has lost its place");
  const away = { ...own, Vec: own.Vec.map((seconds) => seconds + 1) };
  for (const { Node, Coord } of [
    { Node: "a-far", Coord: away },
    { Node: "b-near", Coord: own },
  ]) {
    await agent.api("PUT", "catalog/register", { Node, Address: "10.0.0.1", Service: { Service: "spread" } });
    await agent.api("PUT", "coordinate/update", { Node, Coord });
  }
  const nodes = async (query: string): Promise<unknown> => {
    const instances = await agent.api("GET", `catalog/service/spread${query}`);
    return Array.isArray(instances) ? instances.map((instance: { Node: string }) => instance.Node) : instances;
  };
  expect([await nodes(""), await nodes("?near=_agent")]).toEqual([
    ["a-far", "b-near"],
    ["b-near", "a-far"],
  ]);
}

test.skipIf(skipReason !== "")(
  `real agents that are killed, wiped, restarted, forced out or told to leave, a leader that is killed, and where all are ${skipReason}`,
  async () => {
    await using world = await startLeaseWorld({ servers: 3, agents: 5 });
    const start = (name: string): Promise<WorldAgent> => world.startAgent(name, { lease: leases[name] ?? {} });
    const names = ["forced", "killed", "leaving", "steady", "wiped"];
    const [forced, killed, leaving, steady, wiped] = await Promise.all(names.map(start));
    if (!forced || !killed || !leaving || !steady || !wiped) throw new Error("an agent is missing");
    const isPassing = async (name: string): Promise<boolean> => (await world.passing()).includes(name);
    await eventually("all to pass", async () => (await world.passing()).join() === names.join(), timeoutMs);
    const statusOf = async (name: string): Promise<number | undefined> => (await world.members()).get(name);

    // Killed: out within its lease, then gone from the catalog; nobody else is. Its files lost: the name is refused for as
    // long as the lease of the old one lasts, and taken then.
    process.kill(killed.pid, "SIGKILL");
    process.kill(wiped.pid, "SIGKILL");
    await wiped.end("SIGKILL");
    world.wipe("wiped");
    const again = start("wiped");
    const seconds = await secondsUntil(
      "the killed agent to be out",
      async () => !(await isPassing("killed")),
      timeoutMs,
    );
    expect(seconds).toBeLessThan(10);
    expect(await isPassing("steady")).toBe(true);
    await eventually("the killed node to be removed", async () => (await statusOf("killed")) === undefined, timeoutMs);
    await eventually("the wiped agent to be taken", () => isPassing("wiped"), timeoutMs);
    expect((await again).output()).toContain("the servers do not give this node its lease yet");

    await expectPlaces(steady, ["steady", "forced", "leaving"]);

    // The leader is killed: nobody who is well is ever left out.
    const leader = await world.leader();
    leader.isRunning = false;
    await leader.process.end("SIGKILL");
    const next = await world.leader(leader);
    for (const until = performance.now() + 3_000; performance.now() < until; ) {
      const passing = await world.passing();
      expect(["steady", "wiped", "forced", "leaving"].filter((name) => !passing.includes(name))).toEqual([]);
      await Bun.sleep(100);
    }

    // What a server has acknowledged, another one may show a moment later: `passing` and `members` read from any of them.
    // What is deregistered by force stays away from repairs, and comes back when it is registered.
    const body = { Node: "forced", ServiceID: `${service}-forced` };
    await next.process.api("PUT", "catalog/deregister?force", body);
    await eventually("the forced one to be out", async () => !(await isPassing("forced")), timeoutMs);
    process.kill(forced.pid, "SIGKILL");
    await forced.end("SIGKILL");
    const restarted = await start("forced");
    await eventually("it to be told", () => restarted.output().includes("deregistered this by force"), timeoutMs);
    expect(await isPassing("forced")).toBe(false);
    await restarted.api("PUT", "agent/service/register", { Name: service, ID: `${service}-forced`, Port: 80 });
    await eventually("the forced one to be back", () => isPassing("forced"), timeoutMs);
    expect(await restarted.api("GET", `agent/service/${service}-forced`)).toMatchObject({ Owner: expect.any(String) });

    // Told to leave: out at once, listed as one that left, and the process ends.
    await leaving.api("PUT", "agent/leave");
    await eventually("the leaving agent to be out", async () => !(await isPassing("leaving")), timeoutMs);
    await eventually("it to be listed as left", async () => (await statusOf("leaving")) === 3, timeoutMs);
    await next.process.api("PUT", "agent/force-leave/leaving?prune");
    await eventually("it to be pruned", async () => (await statusOf("leaving")) === undefined, timeoutMs);

    // Servers are at the origin at first, and tell where they are when they have measured their ways to each other.
    const servers = async () => (await measured(steady)).filter((name) => name.startsWith("server-"));
    await eventually("places of the servers", async () => (await servers()).length >= 2, timeoutMs);
  },
  90_000,
);
