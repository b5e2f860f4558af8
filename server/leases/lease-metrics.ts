import { Counter, Gauge, type Registry } from "prom-client";
import { type MemberChange, type MemberRecord, memberStatuses } from "../../lib/contract/members.ts";

export interface LeaseMetrics {
  /** On the leader: the members by status; nothing elsewhere. */
  setMembers(members: readonly MemberRecord[]): void;
  changed(kind: MemberChange["kind"]): void;
  refused(): void;
  /** On the server that has the stream. */
  renewed(): void;
  setStreams(count: number): void;
  setReported(atMs: number): void;
}

export function createLeaseMetrics(registry: Registry): LeaseMetrics {
  const registers = [registry];
  const members = new Gauge({
    name: "atoll_server_lease_members",
    help: "Members by status, on the leader: those that are alive hold their lease",
    labelNames: ["status"],
    registers,
  });
  const changes = new Counter({
    name: "atoll_server_lease_changes_total",
    help: "What became of leases, decided by this server: alive, failed (expired), left or gone (reaped)",
    labelNames: ["change"],
    registers,
  });
  const refusals = new Counter({
    name: "atoll_server_lease_refusals_total",
    help: "Leases that were asked for and not given",
    registers,
  });
  const renewals = new Counter({
    name: "atoll_server_lease_renewals_total",
    help: "Renewals that came over streams to this server",
    registers,
  });
  const streams = new Gauge({
    name: "atoll_server_lease_streams",
    help: "Leases whose agents are connected to this server, its own included",
    registers,
  });
  const reported = new Gauge({
    name: "atoll_server_lease_last_report_timestamp_seconds",
    help: "Unix time of the last report of renewals that the leader took",
    registers,
  });
  return {
    setMembers(all) {
      for (const status of memberStatuses) {
        members.set({ status }, all.filter((member) => member.Status === status).length);
      }
    },
    changed: (change) => changes.inc({ change }),
    refused: () => refusals.inc(),
    renewed: () => renewals.inc(),
    setStreams: (count) => streams.set(count),
    setReported: (atMs) => reported.set(atMs / 1_000),
  };
}
