import type { MemberRecord } from "../../lib/contract/members.ts";
import { compareText } from "./order.ts";
import { createReadSlot, type ReadCache } from "./read-cache.ts";
import type { StateReader } from "./reader.ts";
import type { Tables } from "./tables.ts";
import { watchKeys } from "./watch-keys.ts";

/** The reads of members, and of what was removed from their nodes by force. */
export function createMemberReads(
  tables: Tables,
  cache: ReadCache,
): Pick<StateReader, "members" | "member" | "memberById" | "nodeOfId" | "withdrawals"> {
  const members = createReadSlot<readonly MemberRecord[]>();
  return {
    members: () =>
      cache.read(members, "", [watchKeys.members], () =>
        [...tables.members.all()].sort((a, b) => compareText(a.Node, b.Node)),
      ),
    member: (node) => tables.members.get(node),
    nodeOfId: (id) => tables.nodes.byId(id),
    memberById: (id) => tables.members.byId(id),
    withdrawals: (node) => tables.withdrawals.onNode(node),
  };
}
