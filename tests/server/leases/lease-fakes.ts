import type { Command } from "../../../lib/contract/commands.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { logIndex } from "../../../lib/contract/ids.ts";
import type { MemberFields } from "../../../lib/contract/members.ts";
import { createLeaseKeeper, type LeaseKeeper } from "../../../server/leases/lease-keeper.ts";
import { createLeaseMetrics } from "../../../server/leases/lease-metrics.ts";
import type { Leadership } from "../../../server/log/replicated-log.ts";
import { createState, type State } from "../../../server/state/state.ts";
import { createTestRuntime, type TestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock, settle, type VirtualClock } from "../../fakes/virtual-clock.ts";

export const startMs = 1_000_000;

export function member(name: string, fields: Partial<MemberFields> = {}): MemberFields {
  return {
    Node: name,
    ID: idOf(name),
    Address: "10.0.0.1",
    Port: 0,
    Role: "node",
    Build: "1",
    Class: "default",
    TtlMs: 8_000,
    ReapAfterMs: 3_600_000,
    ...fields,
  };
}

/** A UUID that is the same for the same name. */
export function idOf(name: string): string {
  return `00000000-0000-4000-8000-${Buffer.from(name.padStart(6, "_").slice(-6)).toString("hex")}`;
}

/** A log in memory over real state tables, and as many keepers on it as there are servers; one of them leads. */
export interface LeaseWorld {
  readonly clock: VirtualClock;
  readonly runtime: TestRuntime;
  readonly state: State;
  readonly commands: Command[];
  /** What the next proposals meet. */
  mode: "up" | "lost";
  keeper(server: string): LeaseKeeper;
  lead(server: string): void;
  /** Each of the names renews at the leader, every 2.5 s for so long. */
  renewFor(ms: number, ...names: string[]): Promise<void>;
  statusOf(node: string): string | undefined;
  close(): void;
}

export function createLeaseWorld(servers: readonly string[]): LeaseWorld {
  const clock = createVirtualClock(startMs);
  const runtime = createTestRuntime({ clock });
  const state = createState();
  const commands: Command[] = [];
  let leader = servers[0] ?? "";
  let index = 10;
  const listeners = new Set<(leadership: Leadership) => void>();
  const leadershipOf = (server: string): Leadership => ({
    isLeader: server === leader,
    leaderAddress: leader,
    peers: servers,
    lastContactMs: 0,
  });
  const keepers = new Map(
    servers.map((server) => [
      server,
      createLeaseKeeper({
        log: {
          async propose(command) {
            if (server !== leader) throw new AtollError("NO_LEADER", "No cluster leader");
            if (world.mode === "lost") throw new AtollError("UNAVAILABLE", "no majority");
            commands.push(command);
            const { result } = state.apply(++index, structuredClone(command));
            state.notify();
            return { index: logIndex(index), result };
          },
          leadership: () => leadershipOf(server),
          onLeadershipChange(listener) {
            listeners.add(listener);
            return { close: () => listeners.delete(listener) };
          },
        },
        reader: state.reader,
        otherServers: () => servers.filter((other) => other !== server),
        metrics: createLeaseMetrics(createTestRuntime({ clock }).metrics),
        runtime,
      }),
    ]),
  );
  const world: LeaseWorld = {
    clock,
    runtime,
    state,
    commands,
    mode: "up",
    keeper(server) {
      const keeper = keepers.get(server);
      if (keeper === undefined) throw new Error(`there is no server ${server}`);
      return keeper;
    },
    lead(server) {
      leader = server;
      for (const listener of [...listeners]) listener(leadershipOf(server));
    },
    async renewFor(ms, ...names) {
      for (let passed = 0; passed < ms; passed += 2_500) {
        world.keeper(leader).report(leader, { asked: [], renewed: names.map(idOf) });
        await clock.advance(2_500);
        await settle();
      }
    },
    statusOf: (node) => state.reader.member(node)?.Status,
    close() {
      for (const keeper of keepers.values()) keeper.close();
    },
  };
  return world;
}
