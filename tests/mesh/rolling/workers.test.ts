import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { eventually } from "../../fakes/eventually.ts";
import { difference, type Load, startLoad } from "./load.ts";
import { isAlive } from "./proxy-process.ts";
import { type RollingMesh, startRollingMesh } from "./rolling-mesh.ts";

describe.skipIf(Bun.which("node") === null)("a proxy with two workers", () => {
  let mesh: RollingMesh;
  let load: Load;

  beforeEach(async () => {
    mesh = await startRollingMesh({ workers: 2 });
    load = await startLoad(mesh.ports);
  }, 30_000);

  afterEach(async () => {
    await load.stop();
    await mesh.stop();
  }, 30_000);

  async function requestsSeen(): Promise<number> {
    const lines = (await mesh.caller.metrics()).split("\n").filter((line) => line.startsWith("request_total{"));
    return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }

  test("loses no call when new processes take over, the workers of the old ones ended", async () => {
    await load.passes(50);
    const workers = [...childrenOf(mesh.called.pid), ...childrenOf(mesh.caller.pid)];
    expect(workers).toHaveLength(2);
    const before = load.tallies();
    await mesh.changeExecutable();
    await load.passes(50);
    expect(difference(before, load.tallies()).reasons).toEqual([]);
    await eventually("the end of the old workers", () => !workers.some(isAlive));
  }, 60_000);

  test("loses no call when listeners go and come back at once", async () => {
    await load.passes(50);
    const before = load.tallies();
    for (let round = 0; round < 4; round++) await mesh.changeListeners();
    await load.passes(50);
    expect(difference(before, load.tallies()).reasons).toEqual([]);
  }, 30_000);

  test("shows the requests of all processes as one, also those of a worker that was killed", async () => {
    await load.passes(100);
    const { "tcp short": _, ...http } = await load.stop();
    const sent = Object.values(http).reduce((sum, tally) => sum + tally.sent, 0);
    expect(await requestsSeen()).toBe(sent);
    const { pid } = mesh.caller;
    const [victim = 0] = childrenOf(pid);
    process.kill(victim, "SIGKILL");
    await eventually("a new worker", () => childrenOf(pid).some((one) => one !== victim));
    expect(await requestsSeen()).toBe(sent);
    load = await startLoad(mesh.ports);
    await load.passes(50);
    expect(load.tallies()).toMatchObject({ "http1 short": { failed: 0 }, http2: { failed: 0 } });
    expect(await requestsSeen()).toBeGreaterThan(sent);
  }, 30_000);
});

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}
