import type { AutopilotConfig } from "../../lib/contract/autopilot.ts";
import { quorum, type ServerHealth } from "./health.ts";

/** What the leader does to the membership next; one step at a time, since each changes what the next may be. */
export type AutopilotDecision =
  | { readonly type: "nothing" }
  | { readonly type: "promote"; readonly node: string }
  | { readonly type: "remove"; readonly node: string; readonly reason: string };

export interface AutopilotView {
  readonly config: AutopilotConfig;
  readonly servers: readonly ServerHealth[];
  /** A change of the membership is under way. */
  readonly isChanging: boolean;
  /** How long this server has been watching the others. */
  readonly watchedForMs: number;
  readonly nowMs: number;
}

const nothing: AutopilotDecision = { type: "nothing" };

/**
 * A pure function of what the leader knows. It adds before it removes, and removes only who has been gone for long, when
 * those who stay are a quorum of healthy voters without them.
 */
export function decide(view: AutopilotView): AutopilotDecision {
  if (view.isChanging) return nothing;
  const promotable = view.servers.find((server) => isPromotable(server, view));
  if (promotable !== undefined) return { type: "promote", node: promotable.node };
  if (!view.config.isCleaningUpDeadServers) return nothing;
  const dead = view.servers.find((server) => isDead(server, view) && isDispensable(server, view));
  if (dead === undefined) return nothing;
  const goneForS = Math.floor(dead.lastContactMs / 1_000);
  return { type: "remove", node: dead.node, reason: `it has not been heard of for ${goneForS} s` };
}

function isPromotable(server: ServerHealth, { config, nowMs, watchedForMs }: AutopilotView): boolean {
  if (server.isVoter || !server.isHealthy) return false;
  // Who has just begun to watch cannot have seen anybody be stable for long; servers of a new cluster need not wait.
  if (watchedForMs < config.stabilizationTimeMs * 1.1) return true;
  return nowMs - server.stableSinceMs >= config.stabilizationTimeMs;
}

function isDead(server: ServerHealth, { config }: AutopilotView): boolean {
  return !server.isLeader && !server.isAlive && server.lastContactMs >= config.deadServerTimeoutMs;
}

function isDispensable(server: ServerHealth, { config, servers }: AutopilotView): boolean {
  if (!server.isVoter) return true;
  const staying = servers.filter((other) => other.isVoter && other.node !== server.node);
  const healthy = staying.filter((other) => other.isHealthy).length;
  // The removal itself needs a quorum of those who are there before it.
  const before = quorum(staying.length + 1);
  return healthy >= before && healthy >= quorum(staying.length) && staying.length >= Math.max(1, config.minQuorum);
}
