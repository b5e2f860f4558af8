import type { AutopilotConfig } from "../../lib/contract/autopilot.ts";
import type { RaftMember, RaftStatus } from "../raft/operator-api.ts";

/** One server as the leader sees it. */
export interface ServerHealth {
  readonly node: string;
  readonly address: string;
  readonly isLeader: boolean;
  readonly isVoter: boolean;
  /** The leader has heard of it lately. */
  readonly isAlive: boolean;
  readonly isHealthy: boolean;
  /** Since when `isHealthy` is what it is, as wall-clock milliseconds. */
  readonly stableSinceMs: number;
  readonly lastContactMs: number;
  readonly lastIndex: number;
}

export interface ClusterHealth {
  /** Every server is. */
  readonly isHealthy: boolean;
  /** How many more voters can fail before there is no quorum. */
  readonly failureTolerance: number;
  readonly servers: readonly ServerHealth[];
}

/** Remembers between two looks since when each server is what it is. */
export interface HealthTracker {
  observe(look: {
    readonly status: RaftStatus;
    readonly members: readonly RaftMember[];
    readonly config: AutopilotConfig;
    readonly nowMs: number;
  }): ClusterHealth;
  /** Another server leads: what was known of the others is not known any more. */
  forget(): void;
}

interface Remembered {
  readonly lastAliveMs: number;
  readonly isHealthy: boolean;
  readonly stableSinceMs: number;
}

export function createHealthTracker(): HealthTracker {
  let remembered = new Map<string, Remembered>();
  return {
    observe({ status, members, config, nowMs }) {
      const servers = members.map((member): ServerHealth => {
        const known = remembered.get(member.node);
        const isAlive = member.isLeader || member.progress?.isRecentlyActive === true;
        // A new leader knows nothing yet: whoever it has not heard of was gone for no longer than it leads.
        const lastAliveMs = isAlive ? nowMs : (known?.lastAliveMs ?? nowMs);
        const lastIndex = member.isLeader ? status.lastIndex : (member.progress?.match ?? 0);
        const lastContactMs = nowMs - lastAliveMs;
        const isHealthy =
          isAlive &&
          lastContactMs <= config.lastContactThresholdMs &&
          status.commitIndex - lastIndex <= config.maxTrailingLogs;
        const stableSinceMs = known?.isHealthy === isHealthy ? known.stableSinceMs : nowMs;
        const { node, address, isLeader, isVoter } = member;
        return {
          node,
          address,
          isLeader,
          isVoter,
          isAlive,
          isHealthy,
          stableSinceMs,
          lastContactMs,
          lastIndex,
        };
      });
      remembered = new Map(
        servers.map(({ node, lastContactMs, isHealthy, stableSinceMs }) => [
          node,
          { lastAliveMs: nowMs - lastContactMs, isHealthy, stableSinceMs },
        ]),
      );
      return {
        isHealthy: servers.every((server) => server.isHealthy),
        failureTolerance: failureTolerance(servers),
        servers,
      };
    },
    forget() {
      remembered = new Map();
    },
  };
}

function failureTolerance(servers: readonly ServerHealth[]): number {
  const voters = servers.filter((server) => server.isVoter);
  const healthy = voters.filter((server) => server.isHealthy).length;
  return Math.max(0, healthy - quorum(voters.length));
}

export function quorum(voterCount: number): number {
  return Math.floor(voterCount / 2) + 1;
}
