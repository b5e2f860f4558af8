/** Reports of leases as they travel between servers. */
import type { MemberFields } from "../../lib/contract/members.ts";
import type { LeaseReport } from "../leases/lease-report.ts";
import type { WireLeaseMember, WireLeaseReport } from "./raft-methods.ts";

export function toWireReport(serverId: string, report: LeaseReport): WireLeaseReport {
  return { serverId, asked: report.asked.map(toWireMember), renewed: report.renewed };
}

export function fromWireReport({ asked, renewed }: WireLeaseReport): LeaseReport {
  return { asked: asked.map(fromWireMember), renewed };
}

function toWireMember(member: MemberFields): WireLeaseMember {
  return {
    node: member.Node,
    id: member.ID,
    address: member.Address,
    port: member.Port,
    role: member.Role,
    build: member.Build,
    nodeClass: member.Class,
    ttlMs: member.TtlMs,
    reapAfterMs: member.ReapAfterMs,
  };
}

function fromWireMember(wire: WireLeaseMember): MemberFields {
  return {
    Node: wire.node,
    ID: wire.id,
    Address: wire.address,
    Port: wire.port,
    Role: wire.role === "consul" ? "consul" : "node",
    Build: wire.build,
    Class: wire.nodeClass,
    TtlMs: wire.ttlMs,
    ReapAfterMs: wire.reapAfterMs,
  };
}
