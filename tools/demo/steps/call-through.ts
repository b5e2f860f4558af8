import { waitFor } from "../../wait-for.ts";
import { adminUrl, readMetrics } from "../admin.ts";
import { callWeb, identitiesOf, webUrl } from "../call.ts";
import type { Tell } from "../story.ts";
import type { World } from "../world.ts";

const callTimeoutMs = 10_000;

/** One call through every hop, with the identities that each receiving sidecar has checked. */
export async function callThrough(world: World, tell: Tell): Promise<string> {
  const { db } = world.layout.instances;
  const limits = { timeoutMs: callTimeoutMs, signal: world.processes.failure };
  const call = await waitFor("an allowed call", limits, async () => {
    const result = await callWeb(world);
    if (!result.ok) throw new Error(`web got ${result.status}: ${result.answer}`);
    return result;
  });
  tell(`GET ${webUrl(world)} -> web -> ${call.instance} -> db answered "${call.database}"`);
  const hop = identitiesOf(call.caller);
  tell(`hop web -> api, from x-forwarded-client-cert of ${call.instance}'s sidecar:`);
  tell(`  caller ${hop.from}`);
  tell(`  callee ${hop.by}`);
  mustName(hop.from, "web");
  mustName(hop.by, "api");
  const counted = await waitFor("api in the metrics of db's sidecar", limits, async () => {
    const [line] = await readMetrics(db, /spiffe:\/\/[^"]*\/svc\/api"/);
    return line;
  });
  tell(`hop api -> db, from ${adminUrl(db)}/metrics:`);
  tell(`  ${counted}`);
  return `web -> ${call.instance} -> db, caller ${shortName(hop.from)} and callee ${shortName(hop.by)} checked`;
}

function mustName(spiffeId: string, service: string): void {
  if (!spiffeId.endsWith(`/svc/${service}`)) throw new Error(`expected the identity of ${service}, found ${spiffeId}`);
}

function shortName(spiffeId: string): string {
  return spiffeId.replace(/^spiffe:\/\/[^/]*/, "...");
}
