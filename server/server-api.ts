import type { ServerLink } from "../lib/client/server-link.ts";
import type { AclService } from "./acl/acl-service.ts";
import type { Autopilot } from "./autopilot/autopilot.ts";
import type { Authority } from "./ca/authority.ts";
import type { Locks } from "./expiry/locks.ts";
import type { FollowerReads } from "./follower-reads.ts";
import type { LeaderLink } from "./leader-link.ts";
import type { Leases } from "./leases/leases.ts";
import type { BlockingReader, StateReader } from "./state/reader.ts";
import type { ReplicatedLog } from "./log/replicated-log.ts";
import type { RaftOperator } from "./raft/operator-api.ts";

/** What a running server offers to the HTTP routes, the RPC service and the agent in the same process. */
export interface CatalogServer {
  readonly datacenter: string;
  readonly reader: StateReader;
  readonly blocking: BlockingReader;
  readonly log: ReplicatedLog;
  /** The engine behind the log, for operators. */
  readonly operator: RaftOperator;
  readonly autopilot: Pick<Autopilot, "health">;
  readonly locks: Locks;
  /** The way to the leader when another server is. */
  readonly leaderLink: LeaderLink;
  /** Absent: the leader answers whatever is not stale. */
  readonly followerReads?: Pick<FollowerReads, "catchUp">;
  /** What tokens may do; absent: ACLs are off. */
  readonly acl?: AclService;
  /** The link of the agent that lives in this process. */
  readonly link: ServerLink;
  /** What operators ask of the certificate authority. Absent: nothing can be asked. */
  readonly authority?: Pick<Authority, "planRotation">;
  /** What operators ask of the leases; the leader alone answers. Absent: nobody keeps any. */
  readonly leases?: Pick<Leases, "forceLeave">;
}
