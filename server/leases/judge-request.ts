import { aggregateStatus, nodeLivenessCheckId } from "../../lib/contract/catalog.ts";
import { isUuid } from "../../lib/contract/catalog-rules.ts";
import { leaseBounds, type MemberFields } from "../../lib/contract/members.ts";
import type { StateReader } from "../state/reader.ts";

/** Of what an agent says of itself: it is kept by every server. */
const maxTextLength = 255;

/** Why an agent does not get the lease it asks for; undefined when it does. */
export function judgeRequest(
  member: MemberFields,
  reader: Pick<StateReader, "member" | "node" | "nodeChecks">,
): string | undefined {
  return wrongTerms(member) ?? takenName(member, reader);
}

function wrongTerms({ ID, Address, Build, Class, TtlMs, ReapAfterMs }: MemberFields): string | undefined {
  const { minTtlMs, maxTtlMs, minReapMs, maxReapMs } = leaseBounds;
  if (!isUuid(ID)) return `node ID ${JSON.stringify(ID.slice(0, maxTextLength))} is not a UUID`;
  for (const [name, text] of Object.entries({ Address, Build, Class })) {
    if (text.length > maxTextLength)
      return `${name} is ${text.length} characters long; at most ${maxTextLength} are allowed`;
  }
  if (!(TtlMs >= minTtlMs && TtlMs <= maxTtlMs)) {
    return `lease.ttl must be ${minTtlMs} ms to ${maxTtlMs} ms, found ${TtlMs} ms`;
  }
  if (ReapAfterMs >= minReapMs && ReapAfterMs <= maxReapMs) return undefined;
  return `lease.reap_after must be ${minReapMs} ms to ${maxReapMs} ms, found ${ReapAfterMs} ms`;
}

/** A name belongs to one agent for as long as its lease lasts. */
function takenName(
  { Node, ID }: MemberFields,
  reader: Pick<StateReader, "member" | "node" | "nodeChecks">,
): string | undefined {
  const holder = reader.member(Node);
  if (holder !== undefined) {
    if (holder.ID === ID || holder.Status !== "alive") return undefined;
    return (
      `Node name ${Node} is reserved by node ${holder.ID} with name ${Node} (${holder.Address}), whose agent holds its lease: ` +
      "stop that one; the name is free when its lease has run out"
    );
  }
  const node = reader.node(Node).value;
  if (node === undefined || node.ID === "" || node.ID === ID) return undefined;
  const liveness = reader.nodeChecks(Node).value.filter(({ CheckID }) => CheckID === nodeLivenessCheckId);
  if (liveness.length === 0 || aggregateStatus(liveness) === "critical") return undefined;
  return (
    `Node name ${Node} is reserved by node ${node.ID} with name ${Node} (${node.Address}), whose agent is of a release ` +
    "without leases: when that one is gone, deregister the node in the catalog"
  );
}
