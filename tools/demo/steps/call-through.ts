import { waitFor } from "../../wait-for.ts";
import { adminUrl, metricValue, readInForce, readMetrics } from "../admin.ts";
import { callWeb, identitiesOf, webUrl } from "../call.ts";
import type { Tell } from "../story.ts";
import type { World } from "../world.ts";

const callTimeoutMs = 10_000;

/** One call through every hop, with the identities that each receiving sidecar has checked. */
export async function callThrough(world: World, tell: Tell): Promise<string> {
  const limits = { timeoutMs: callTimeoutMs, signal: world.processes.failure };
  const before = await countConnections(world);
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
  await checkDatabaseHop(world, tell, { instance: call.instance, before });
  return `web -> ${call.instance} -> db, caller ${shortName(hop.from)} and callee ${shortName(hop.by)} checked`;
}

/** TCP has no headers to look into: the certificates of both ends, db's rules and db's counter tell the same. */
async function checkDatabaseHop(
  world: World,
  tell: Tell,
  call: { readonly instance: string; readonly before: number },
): Promise<void> {
  const { instances } = world.layout;
  const api = await readInForce(call.instance === "api-vm" ? instances["api-vm"] : instances["api-ecs"]);
  const db = await readInForce(instances.db);
  const limits = { timeoutMs: callTimeoutMs, signal: world.processes.failure };
  const accepted = await waitFor("an accepted connection at db's sidecar", limits, async () => {
    const count = (await countConnections(world)) - call.before;
    return count > 0 ? count : undefined;
  });
  tell(`hop api -> db, from the certificates in use and ${adminUrl(instances.db)}:`);
  tell(`  caller ${api.spiffeId}`);
  tell(`  callee ${db.spiffeId}`);
  tell(`  rules of db: ${db.rules.map((rule) => `${rule.action} ${rule.source}`).join(", then ")}`);
  tell(`  mutual TLS connections accepted by db's sidecar for this call: ${accepted}`);
  mustName(api.spiffeId, "api");
  mustName(db.spiffeId, "db");
}

async function countConnections(world: World): Promise<number> {
  const lines = await readMetrics(world.layout.instances.db, /^tcp_open_total\{.*direction="inbound"/);
  return lines.reduce((sum, line) => sum + metricValue(line), 0);
}

function mustName(spiffeId: string, service: string): void {
  if (!spiffeId.endsWith(`/svc/${service}`)) throw new Error(`expected the identity of ${service}, found ${spiffeId}`);
}

function shortName(spiffeId: string): string {
  return spiffeId.replace(/^spiffe:\/\/[^/]*/, "...");
}
