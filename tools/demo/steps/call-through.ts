import { waitFor } from "../../wait-for.ts";
import { adminUrl, metricValue, readInForce, readMetrics } from "../admin.ts";
import { callWeb, identitiesOf, webUrl } from "../call.ts";
import type { Tell } from "../story.ts";
import type { World } from "../world.ts";

const callTimeoutMs = 10_000;

/** One call through every hop, with the identities that each receiving sidecar has checked. */
export async function callThrough(world: World, tell: Tell): Promise<string> {
  const limits = { timeoutMs: callTimeoutMs, signal: world.processes.failure };
  const before = await countCallers(world);
  const call = await waitFor("an allowed call", limits, async () => {
    const result = await callWeb(world);
    if (!result.ok) throw new Error(`web got ${result.status}: ${result.answer}`);
    return result;
  });
  tell(`GET ${webUrl(world)} -> web -> ${call.instance} -> db answered "${call.database}"`);
  const hop = identitiesOf(call.caller);
  tell(`hop web -> api, from the x-forwarded-client-cert that ${call.instance}'s sidecar wrote:`);
  tell(`  caller ${hop.from}`);
  tell(`  callee ${hop.by}`);
  mustName(hop.from, "web");
  mustName(hop.by, "api");
  await checkDatabaseHop(world, tell, before);
  return `web -> ${call.instance} -> db, caller ${shortName(hop.from)} and callee ${shortName(hop.by)} checked`;
}

/** TCP has no headers to look into: db's sidecar counts the connections it accepted by the identity it has checked. */
async function checkDatabaseHop(world: World, tell: Tell, before: ReadonlyMap<string, number>): Promise<void> {
  const limits = { timeoutMs: callTimeoutMs, signal: world.processes.failure };
  const [caller, accepted] = await waitFor("an accepted connection at db's sidecar", limits, async () => {
    const counts = [...(await countCallers(world))].map(
      ([uri, count]) => [uri, count - (before.get(uri) ?? 0)] as const,
    );
    return counts.find(([, count]) => count > 0);
  });
  const db = await readInForce(world.layout.instances.db);
  tell(`hop api -> db, from the counters of ${adminUrl(world.layout.instances.db)}:`);
  tell(`  caller ${caller}`);
  tell(`  callee ${db.spiffeId}`);
  tell(`  rules of db: ${db.rules.map((rule) => `${rule.action} ${rule.source}`).join(", then ")}`);
  tell(`  mutual TLS connections accepted by db's sidecar from this caller for this call: ${accepted}`);
  mustName(caller, "api");
  mustName(db.spiffeId, "db");
}

/** Connections that db's sidecar has accepted so far, by the caller's SPIFFE id. */
async function countCallers(world: World): Promise<Map<string, number>> {
  const lines = await readMetrics(world.layout.instances.db, /^atoll_proxy_caller_connections_total\{/);
  return new Map(lines.map((line) => [/caller="([^"]*)"/.exec(line)?.[1] ?? "", metricValue(line)]));
}

function mustName(spiffeId: string, service: string): void {
  if (!spiffeId.endsWith(`/svc/${service}`)) throw new Error(`expected the identity of ${service}, found ${spiffeId}`);
}

function shortName(spiffeId: string): string {
  return spiffeId.replace(/^spiffe:\/\/[^/]*/, "...");
}
