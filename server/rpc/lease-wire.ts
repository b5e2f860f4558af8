/** Reports of leases as they travel between servers. */
import type { MemberFields } from "../../lib/contract/members.ts";
import { fromWireCoordinate, toWireCoordinate } from "../../lib/client/wire-coordinate.ts";
import type { LeaseReport } from "../leases/lease-report.ts";
import type { WireLeaseMember, WireLeaseReport } from "./raft-methods.ts";

export function toWireReport(serverId: string, report: LeaseReport): WireLeaseReport {
  const placed = (report.placed ?? []).map(({ id, coordinate }) => ({ id, coordinate: toWireCoordinate(coordinate) }));
  const knowsCoordinates = report.placed !== undefined;
  return { serverId, asked: report.asked.map(toWireMember), renewed: report.renewed, placed, knowsCoordinates };
}

export function fromWireReport({ asked, renewed, placed = [], knowsCoordinates }: WireLeaseReport): LeaseReport {
  const read = placed.flatMap(({ id, coordinate: wire }) => {
    const coordinate = fromWireCoordinate(wire);
    return coordinate === undefined ? [] : [{ id, coordinate }];
  });
  return { asked: asked.map(fromWireMember), renewed, placed: knowsCoordinates === true ? read : undefined };
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
