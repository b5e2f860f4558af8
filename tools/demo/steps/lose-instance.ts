import { Type } from "typebox";
import { waitFor } from "../../wait-for.ts";
import { callWeb } from "../call.ts";
import type { Tell } from "../story.ts";
import type { World } from "../world.ts";

const timeoutMs = 20_000;
/** Calls in a row that the other instance has to answer before traffic counts as moved. */
const settledCalls = 20;
const callPauseMs = 25;
const Checks = Type.Array(Type.Object({ ServiceID: Type.String(), Status: Type.String() }));

/** Kills one of the two instances of api and keeps calling until the other one answers everything. */
export async function loseInstance(world: World, tell: Tell): Promise<string> {
  const victim = world.layout.instances["api-vm"];
  const app = world.apps.get(victim.id);
  if (app === undefined) throw new Error(`${victim.id} is not running`);
  const limits = { timeoutMs, signal: world.processes.failure };
  await waitFor(`an answer of ${victim.id}`, limits, async () => {
    const call = await callWeb(world);
    return call.ok && call.instance === victim.id ? true : undefined;
  });
  tell(`${victim.id} is answering; kill -9 ${app.pid}`);
  await app.kill();
  const killedMs = performance.now();
  const health = watchHealth(world, killedMs);
  const seen = { calls: 0, failed: 0, lastFailureMs: 0 };
  for (let settled = 0; settled < settledCalls; ) {
    if (performance.now() - killedMs > timeoutMs) throw new Error(`calls still fail ${timeoutMs} ms after the kill`);
    const call = await callWeb(world);
    seen.calls++;
    settled = call.ok ? settled + 1 : 0;
    if (!call.ok) {
      seen.failed++;
      seen.lastFailureMs = Math.round(performance.now() - killedMs);
      if (seen.failed === 1) tell(`first failed call: web got ${call.status}: ${call.answer}`);
    }
    await Bun.sleep(callPauseMs);
  }
  const criticalMs = await health;
  tell(`the catalog has ${victim.id} as critical ${criticalMs} ms after the kill`);
  const after = seen.failed === 0 ? "none failed" : `${seen.failed} failed, the last after ${seen.lastFailureMs} ms`;
  return `${seen.calls} calls since the kill, ${after}; api-ecs answers alone`;
}

/** Milliseconds from the kill until the catalog has the instance as critical. */
async function watchHealth(world: World, killedMs: number): Promise<number> {
  const server = world.api(world.layout.server);
  return await waitFor("a critical check", { timeoutMs, signal: world.processes.failure }, async () => {
    const checks = await server.get("/v1/health/checks/api", Checks);
    const isCritical = checks.some((check) => check.ServiceID === "api-vm" && check.Status === "critical");
    return isCritical ? Math.round(performance.now() - killedMs) : undefined;
  });
}
