import type { AclCommand } from "./acl-commands.ts";
import type { AutopilotConfig } from "./autopilot.ts";
import type { CheckFields, NodeFields, ServiceFields } from "./catalog.ts";
import type { ConfigEntry, ConfigEntryKind } from "./config-entries.ts";

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
  | AutopilotUpsert
  | AclCommand
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
}

/** Removes a check, a service with its checks, or (with neither named) the node with everything on it. */
export interface DeregisterCommand {
  readonly type: "deregister";
  readonly node: string;
  readonly serviceId?: string;
  readonly checkId?: string;
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

/** Sets the cluster's certificate authority; has no effect when there is one already. */
export interface CaInitialize {
  readonly type: "ca-initialize";
  readonly root: CaRootFields;
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
  readonly privateKeyPem: string;
  readonly privateKeyType: "ec" | "rsa" | "ed25519";
  readonly privateKeyBits: number;
}

/** What applying a command came to: an expected outcome is a value, never a throw. */
export type CommandResult =
  | { readonly ok: true /** False when a compare-and-set found another index. */; readonly applied: boolean }
  | { readonly ok: false; readonly code: "INVALID_ARGUMENT" | "CONFLICT" | "NOT_FOUND"; readonly message: string };
