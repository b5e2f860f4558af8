import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { difference, type Load, startLoad } from "./load.ts";
import { type RollingMesh, startRollingMesh } from "./rolling-mesh.ts";

/** Clients of Node.js call over HTTP/1.1, HTTP/2 and TCP without a pause while something under them is exchanged. */
const isMissing = Bun.which("node") === null;

describe.skipIf(isMissing)("under load not one call is lost", () => {
  let mesh: RollingMesh;
  let load: Load;

  beforeAll(async () => {
    mesh = await startRollingMesh();
    load = await startLoad(mesh.ports);
  }, 30_000);

  afterAll(async () => {
    await load?.stop();
    await mesh?.stop();
  }, 30_000);

  async function lostDuring(change: () => Promise<void>): Promise<readonly string[]> {
    await load.passes(20);
    const before = load.tallies();
    await change();
    await load.passes(100);
    return difference(before, load.tallies()).reasons;
  }

  test("when endpoints change", async () => {
    expect(await lostDuring(() => mesh.changeEndpoints())).toEqual([]);
    expect(await lostDuring(() => mesh.changeEndpoints())).toEqual([]);
  }, 30_000);

  test("when listeners move to other addresses", async () => {
    expect(await lostDuring(() => mesh.changeListeners())).toEqual([]);
  }, 30_000);

  test("when certificates are renewed", async () => {
    expect(await lostDuring(() => mesh.changeCertificates())).toEqual([]);
  }, 30_000);

  test("when new processes of the executable take over", async () => {
    const before = [mesh.called.pid, mesh.caller.pid];
    expect(await lostDuring(() => mesh.changeExecutable())).toEqual([]);
    expect([mesh.called.pid, mesh.caller.pid]).not.toEqual(before);
  }, 60_000);

  test("and the clients do tell when a sidecar dies", async () => {
    const before = load.tallies();
    await mesh.called.stop();
    // The pass that was under way may have asked everybody already.
    await load.passes(2);
    expect(difference(before, load.tallies()).failed).toBeGreaterThan(0);
  }, 30_000);
});
