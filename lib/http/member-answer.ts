import type { MemberFields, MemberStatus } from "../contract/members.ts";

/** Serf's numbers. */
const statusNumbers: Readonly<Record<MemberStatus, number>> = { alive: 1, left: 3, failed: 4 };

export interface AnsweredMember extends Pick<MemberFields, "Node" | "ID" | "Address" | "Port" | "Role" | "Build"> {
  readonly Status: MemberStatus;
  readonly Lease?: {
    readonly Class: string;
    readonly TtlMs: number;
    readonly ReapAfterMs: number;
    readonly SinceMs: number;
  };
}

/**
 * A member as Consul's agents answer it. There is no gossip, so the versions of its protocol are those that Consul speaks now.
 * `Lease` is ours; clients pass over it. On the WAN a server is known with its datacenter.
 */
export function memberAnswer(
  member: AnsweredMember,
  place: { readonly datacenter: string; readonly isWan: boolean },
): object {
  const isServer = member.Role === "consul";
  return {
    Name: place.isWan ? `${member.Node}.${place.datacenter}` : member.Node,
    Addr: member.Address,
    Port: member.Port,
    Tags: {
      build: member.Build,
      dc: place.datacenter,
      id: member.ID,
      ...(isServer && { port: String(member.Port), raft_vsn: "3" }),
      role: member.Role,
      segment: "",
      vsn: "2",
      vsn_max: "3",
      vsn_min: "2",
    },
    Status: statusNumbers[member.Status],
    ProtocolMin: 1,
    ProtocolMax: 5,
    ProtocolCur: 2,
    DelegateMin: 2,
    DelegateMax: 5,
    DelegateCur: 4,
    ...(member.Lease && { Lease: member.Lease }),
  };
}
