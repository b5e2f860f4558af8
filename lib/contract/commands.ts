import type { AclCommand } from "./acl-commands.ts";
import type { AuthorityConfig } from "./authority-config.ts";
import type { AclLoginCommand } from "./acl-login.ts";
import type { AutopilotConfig } from "./autopilot.ts";
import type { CheckFields, NodeFields, ServiceFields } from "./catalog.ts";
import type { CoordinateFields } from "./coordinates.ts";
import type { ConfigEntry, ConfigEntryKind } from "./config-entries.ts";
import type { KvOperation } from "./kv.ts";
import type { PeeringFields } from "./peerings.ts";
import type { PreparedQueryFields } from "./prepared-queries.ts";
import type { LockDelay, SessionFields } from "./sessions.ts";
import type { UserEvent } from "./user-events.ts";
import type { TransactionError, TransactionOperation } from "./transactions.ts";
import type { MemberChange } from "./members.ts";

/**
 * What the replicated log carries. A command holds everything its effect depends on (times, ids, defaults already filled
 * in): applying it reads neither clock nor random, so every server computes the same state.
 */
export type Command =
  | RegisterCommand
  | DeregisterCommand
  | ConfigEntryUpsert
  | ConfigEntryDelete
  | CaInitialize
  | CaRotate
  | CaPrune
  | AutopilotUpsert
  | AclCommand
  | AuthorityConfigure
  | KvCommand
  | KvExpire
  | KvReap
  | LockDelaysEnd
  | SessionCreate
  | SessionDestroy
  | TransactionCommand
  | QueryUpsert
  | QueryDelete
  | EventFire
  | CoordinateUpdate
  | CoordinatesUpdate
  | PeeringUpsert
  | PeeringDelete
  | MembersCommand
  | AclLoginCommand
  | VirtualIpManual
  | RestoreRows
  | RestoreCommit;

/** Upserts a node, one service and any checks, all or nothing. */
export interface RegisterCommand {
  readonly type: "register";
  readonly node: NodeFields;
  /** Leaves the node's own record alone when it exists already. */
  readonly skipNodeUpdate: boolean;
  readonly service?: ServiceFields;
  readonly checks: readonly CheckFields[];
  /** An agent repairs the catalog by itself: what an operator has removed by force is refused. */
  readonly isRepair?: boolean;
}

/** Removes a check, a service with its checks, or (with neither named) the node with everything on it. */
export interface DeregisterCommand {
  readonly type: "deregister";
  readonly node: string;
  readonly serviceId?: string;
  readonly checkId?: string;
  /** For good: the agent that holds it does not bring it back by itself. */
  readonly isForced?: boolean;
  /** The node's own agent leaves, at this wall-clock time: nothing happens when the node is another agent's by now. */
  readonly left?: { readonly id: string; readonly atMs: number };
}

/** What became of leases: all that changed at one time, in one command. */
export interface MembersCommand {
  readonly type: "members";
  readonly atMs: number;
  readonly changes: readonly MemberChange[];
}

export interface ConfigEntryUpsert {
  readonly type: "config-entry-upsert";
  readonly entry: ConfigEntry;
  /** Only when the entry's ModifyIndex is this one; 0 = only when there is none. */
  readonly expectedIndex?: number;
}

export interface ConfigEntryDelete {
  readonly type: "config-entry-delete";
  readonly kind: ConfigEntryKind;
  readonly name: string;
  readonly expectedIndex?: number;
}

export interface AutopilotUpsert {
  readonly type: "autopilot-upsert";
  readonly config: AutopilotConfig;
  readonly expectedIndex?: number;
}

/** One operation that changes a key, or the keys below a prefix. */
export interface KvCommand {
  readonly type: "kv";
  readonly operation: KvOperation;
}

/** Removes entries whose time is over, unless they were written since. */
export interface KvExpire {
  readonly type: "kv-expire";
  readonly entries: readonly { readonly key: string; readonly modifyIndex: number }[];
}

/** Forgets the tombstones up to an index. */
export interface KvReap {
  readonly type: "kv-reap";
  readonly index: number;
}

/** The delays that are over, unless there are newer ones. */
export interface LockDelaysEnd {
  readonly type: "lock-delays-end";
  readonly delays: readonly Pick<LockDelay, "key" | "index">[];
}

export interface SessionCreate {
  readonly type: "session-create";
  readonly session: SessionFields;
}

/** Ends sessions, and releases or deletes what they hold; one that is not there has ended already. */
export interface SessionDestroy {
  readonly type: "session-destroy";
  readonly ids: readonly string[];
}

export interface TransactionCommand {
  readonly type: "txn";
  /** By which the server that proposed it finds the results. */
  readonly id: string;
  readonly operations: readonly TransactionOperation[];
}

/** Where a node is; means nothing for a node that is not there (any more). */
export interface CoordinateUpdate {
  readonly type: "coordinate-update";
  readonly coordinate: CoordinateFields;
}

/** Where several nodes are, each as with {@link CoordinateUpdate}. */
export interface CoordinatesUpdate {
  readonly type: "coordinates-update";
  readonly coordinates: readonly CoordinateFields[];
}

export interface AuthorityConfigure {
  readonly type: "authority-configure";
  readonly config: AuthorityConfig;
}

/** Gives a mesh service virtual addresses of somebody's choice in the place of those it was given before. */
export interface VirtualIpManual {
  readonly type: "virtual-ip-manual";
  readonly service: string;
  readonly addresses: readonly string[];
}

/** Stages a part of a snapshot's rows; has no effect that anybody can see. Pieces of one restore are numbered from 0. */
export interface RestoreRows {
  readonly type: "restore-rows";
  readonly restoreId: string;
  readonly piece: number;
  readonly rows: readonly { readonly table: string; readonly key: string; readonly value?: unknown }[];
}

/** Makes the staged rows the state, when all pieces are there. */
export interface RestoreCommit {
  readonly type: "restore-commit";
  readonly restoreId: string;
  readonly pieceCount: number;
  /** The largest index that anybody can have read from the state that was saved. */
  readonly highestIndex: number;
  /** The cluster's own authority stays, since the one in the snapshot is not its. */
  readonly keepsAuthority: boolean;
}

export interface QueryUpsert {
  readonly type: "query-upsert";
  readonly query: PreparedQueryFields;
  /** It must not be there yet; otherwise it must. */
  readonly isNew: boolean;
}

export interface QueryDelete {
  readonly type: "query-delete";
  readonly id: string;
}

export interface PeeringUpsert {
  readonly type: "peering-upsert";
  readonly peering: PeeringFields;
}

export interface PeeringDelete {
  readonly type: "peering-delete";
  readonly name: string;
}

export interface EventFire {
  readonly type: "event-fire";
  readonly event: Omit<UserEvent, "LTime">;
}

/** Sets the cluster's certificate authority; has no effect when there is one already. */
export interface CaInitialize {
  readonly type: "ca-initialize";
  readonly root: CaRootFields;
}

/** Has `root` sign from now on. Refused when another than `from` signs; that one loses its key and stays trusted for a while. */
export interface CaRotate {
  readonly type: "ca-rotate";
  readonly root: CaRootFields;
  /** The id of the root that signs so far. */
  readonly from: string;
  /** Until when its certificates may still be met, RFC 3339. */
  readonly trustedUntil: string;
}

/** Ends the trust in roots that do not sign any more. */
export interface CaPrune {
  readonly type: "ca-prune";
  readonly ids: readonly string[];
}

/** A root of trust. `privateKeyPem` stays on the servers: it is never part of an HTTP answer, a topic or a log line. */
export interface CaRootFields {
  /** SHA-1 of the certificate, colon-separated lower hex, as Consul names its roots. */
  readonly id: string;
  readonly name: string;
  readonly clusterId: string;
  readonly trustDomain: string;
  readonly serialNumber: number;
  readonly signingKeyId: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly certPem: string;
  /** Empty once it does not sign any more. */
  readonly privateKeyPem: string;
  readonly privateKeyType: "ec" | "rsa" | "ed25519";
  readonly privateKeyBits: number;
  /** The same key certified by the root before it: who trusts only that one trusts this one too. Absent where nothing was before. */
  readonly crossSignedPem?: string;
  /** Present for one that signs no more: until then it is trusted, RFC 3339. */
  readonly trustedUntil?: string;
}

/** What applying a command came to: an expected outcome is a value, never a throw. */
export type CommandResult =
  | {
      readonly ok: true;
      /** False when a compare-and-set found another index, a lock is held, or a transaction failed. */
      readonly applied: boolean;
      /** Why a transaction failed. */
      readonly errors?: readonly TransactionError[];
    }
  | { readonly ok: false; readonly code: "INVALID_ARGUMENT" | "CONFLICT" | "NOT_FOUND"; readonly message: string };
