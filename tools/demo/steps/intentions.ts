import { waitFor } from "../../wait-for.ts";
import { callWeb } from "../call.ts";
import type { Tell } from "../story.ts";
import type { World } from "../world.ts";

const effectTimeoutMs = 10_000;
/** What is measured is how soon a change works, so calls follow each other closely. */
const pollMs = 2;

/** From now on nobody may call anybody, except web -> api and api -> db. */
export async function allowOnlyOurHops(world: World, tell: Tell): Promise<string> {
  await writeIntention(world, tell, { destination: "*", source: "*", action: "deny" });
  await writeIntention(world, tell, { destination: "api", source: "web", action: "allow" });
  await writeIntention(world, tell, { destination: "db", source: "api", action: "allow" });
  return "everything is denied but web -> api and api -> db";
}

export async function denyWeb(world: World, tell: Tell): Promise<string> {
  const changedMs = await changeWebIntention(world, tell, "deny");
  const refused = await waitFor("a denied call", limits(world), async () => {
    const call = await callWeb(world);
    return call.ok ? undefined : call;
  });
  const tookMs = elapsed(changedMs);
  tell(`web got ${refused.status}: ${refused.answer}`);
  if (refused.status !== 403) throw new Error(`expected 403 from the sidecar of api, web got ${refused.status}`);
  return `denied ${tookMs} ms after the intention was written`;
}

export async function allowWebAgain(world: World, tell: Tell): Promise<string> {
  const changedMs = await changeWebIntention(world, tell, "allow");
  const call = await waitFor("an allowed call", limits(world), async () => {
    const result = await callWeb(world);
    return result.ok ? result : undefined;
  });
  const tookMs = elapsed(changedMs);
  tell(`${call.instance} answered again: ${call.database}`);
  return `allowed ${tookMs} ms after the intention was written`;
}

/** Milliseconds of this process's clock at which the server had acknowledged the change. */
async function changeWebIntention(world: World, tell: Tell, action: "allow" | "deny"): Promise<number> {
  await writeIntention(world, tell, { destination: "api", source: "web", action });
  return performance.now();
}

async function writeIntention(
  world: World,
  tell: Tell,
  intention: { readonly destination: string; readonly source: string; readonly action: "allow" | "deny" },
): Promise<void> {
  const body = {
    Kind: "service-intentions",
    Name: intention.destination,
    Sources: [{ Name: intention.source, Action: intention.action }],
  };
  await world.api(world.layout.server).put("/v1/config", body);
  tell(`PUT /v1/config ${JSON.stringify(body)}`);
}

function limits(world: World) {
  return { timeoutMs: effectTimeoutMs, signal: world.processes.failure, pollMs };
}

function elapsed(sinceMs: number): number {
  return Math.round(performance.now() - sinceMs);
}
