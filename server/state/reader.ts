import type { AuthorityConfigRecord } from "../../lib/contract/authority-config.ts";
import type { AutopilotRecord } from "../../lib/contract/autopilot.ts";
import type {
  CheckRecord,
  CheckStatus,
  NodeRecord,
  ServiceInstance,
  ServiceRecord,
  StringMap,
} from "../../lib/contract/catalog.ts";
import type { ConfigEntryKind, ConfigEntryRecord, ResolvedServiceConfig } from "../../lib/contract/config-entries.ts";
import type { CoordinateRecord } from "../../lib/contract/coordinates.ts";
import type { AclLoginReads } from "./acl-login-reads.ts";
import type { AclReads } from "./acl-reads.ts";
import type { VirtualIpRecord } from "../../lib/contract/virtual-address.ts";
import type { Intention } from "../../lib/contract/intentions.ts";
import type { KvRecord } from "../../lib/contract/kv.ts";
import type { PeeringRecord } from "../../lib/contract/peerings.ts";
import type { PreparedQueryRecord } from "../../lib/contract/prepared-queries.ts";
import type { LockDelay, SessionRecord } from "../../lib/contract/sessions.ts";
import type { UserEvent } from "../../lib/contract/user-events.ts";
import type { TransactionOperation, TransactionOutcome } from "../../lib/contract/transactions.ts";
import type { MemberRecord } from "../../lib/contract/members.ts";
import type { CaRootsValue, IntentionsValue } from "../../lib/contract/topics.ts";
import type { Withdrawal } from "./withdrawal-table.ts";

/**
 * A value and the index of its last change: what `X-Consul-Index` carries. It grows if the value may have changed and
 * otherwise stands still, never falls, and is at least 1. (What does not exist has the index of the last disappearance in
 * its family, which can grow without it.) `watch` names the keys whose change can change the value. As long as the value
 * stands still the same object is returned, so a caller may remember what it made of it.
 */
export interface Read<T> {
  readonly index: number;
  readonly value: T;
  readonly watch: readonly string[];
}

/** Reads of the catalog: synchronous, from memory, in a stable order (names, then nodes, then ids). */
export interface StateReader extends AclReads, AclLoginReads {
  /** Index of the newest applied entry. */
  appliedIndex(): number;
  nodes(): Read<readonly NodeRecord[]>;
  node(name: string): Read<NodeRecord | undefined>;
  /** Every service name with the sorted union of its instances' tags; only instances on nodes with all of `nodeMeta`. */
  services(nodeMeta?: StringMap): Read<ReadonlyMap<string, readonly string[]>>;
  /** Every service instance with its node, in no order. */
  serviceNodes(): Read<readonly ServiceNode[]>;
  /** All instances of a service with the node's and their own checks; unknown names give an empty list. */
  serviceInstances(service: string): Read<readonly ServiceInstance[]>;
  /** Instances that accept mesh traffic for a service: its sidecars (by destination) and connect-native instances. */
  connectInstances(service: string): Read<readonly ServiceInstance[]>;
  /** The virtual addresses of a mesh service; undefined for one that has none. */
  virtualIp(service: string): Read<VirtualIpRecord | undefined>;
  /** The service that has the manual virtual address. */
  manualIpHolder(address: string): string | undefined;
  /** Nodes and services by IP address, as of now: looks at every instance, so whoever asks should remember it. */
  addressHolders(): ReadonlyMap<string, AddressHolders>;
  nodeServices(node: string): Read<readonly ServiceRecord[]>;
  nodeChecks(node: string): Read<readonly CheckRecord[]>;
  serviceChecks(service: string): Read<readonly CheckRecord[]>;
  checksInState(status: CheckStatus | "any"): Read<readonly CheckRecord[]>;
  coordinates(): Read<readonly CoordinateRecord[]>;
  nodeCoordinates(node: string): Read<readonly CoordinateRecord[]>;
  configEntry(kind: ConfigEntryKind, name: string): Read<ConfigEntryRecord | undefined>;
  configEntries(kind: ConfigEntryKind): Read<readonly ConfigEntryRecord[]>;
  /** Intentions sorted by precedence: all, or those that can match the given destination or source. */
  intentions(
    filter: { readonly by: "all" } | { readonly by: "destination" | "source"; readonly name: string },
  ): Read<readonly Intention[]>;
  /** What requests to a destination must show; nothing where no intention of it speaks of tokens. */
  requiredTokens(destination: string): Read<RequiredTokens>;
  serviceConfig(service: string): Read<ResolvedServiceConfig>;
  caRoots(): Read<CaRootsValue>;
  /** Every agent that holds a lease or held one, sorted by node. */
  members(): Read<readonly MemberRecord[]>;
  member(node: string): MemberRecord | undefined;
  memberById(id: string): MemberRecord | undefined;
  /** The node that has an ID, as of now. */
  nodeOfId(id: string): NodeRecord | undefined;
  /** What was removed from a node by force and must not come back by itself. */
  withdrawals(node: string): readonly Withdrawal[];
  /** How autopilot is set; undefined when nobody has ever set it. */
  autopilot(): Read<AutopilotRecord | undefined>;
  /** One key. What is not there has the index of its tombstone, or of the newest one that was forgotten. */
  kvEntry(key: string): Read<KvRecord | undefined>;
  /**
   * Everything below a prefix, in the order of keys. Its index can fall when tombstones are forgotten, 15 minutes after the
   * deletion; whoever passes the index that it has seen is not shown a smaller one.
   */
  kvEntries(prefix: string, seenIndex?: number): Read<readonly KvRecord[]>;
  /** The keys below a prefix; with a `separator` only up to and with it, each once. */
  kvKeys(prefix: string, separator: string, seenIndex?: number): Read<readonly string[]>;
  /** At most `limit` entries whose time is over at `nowMs`, the earliest first. */
  endedKvEntries(nowMs: number, limit: number): readonly KvRecord[];
  /** The index of the newest tombstone; 0 when there is none. */
  newestTombstone(): number;
  session(id: string): Read<SessionRecord | undefined>;
  /** By ID. */
  sessions(): Read<readonly SessionRecord[]>;
  nodeSessions(node: string): Read<readonly SessionRecord[]>;
  lockDelays(): readonly LockDelay[];
  lockDelay(key: string): LockDelay | undefined;
  /** By ID. */
  preparedQueries(): Read<readonly PreparedQueryRecord[]>;
  preparedQuery(id: string): Read<PreparedQueryRecord | undefined>;
  /** The query that answers for an ID or a name: its own, or the template for it. */
  preparedQueryFor(idOrName: string): Read<PreparedQueryRecord | undefined>;
  /** The newest user events, oldest first. */
  userEvents(): Read<readonly UserEvent[]>;
  /** By name. */
  peerings(): Read<readonly PeeringRecord[]>;
  peering(name: string): Read<PeeringRecord | undefined>;
  /** Operations that only look, all at the same moment. */
  readTransaction(operations: readonly TransactionOperation[]): TransactionOutcome;
  /** What a transaction that was applied here came to, once; undefined when it is too long ago. */
  takeTransaction(id: string): TransactionOutcome | undefined;
  /** How the authority signs; undefined when nobody has ever set it. */
  authorityConfig(): Read<AuthorityConfigRecord | undefined>;
  /** What applies where no intention matches: as it is set, or else as ACLs have it, `allow` as long as they are off. */
  defaultIntention(): Pick<IntentionsValue, "defaultAction" | "isDefaultSet">;
}

export interface AddressHolders {
  /** The first by name of the nodes with the address. */
  readonly node?: NodeRecord;
  /** Names of services with an instance that was registered with the address, sorted. */
  readonly services: readonly string[];
}
/** An instance without its checks. */
export type ServiceNode = Pick<ServiceInstance, "Node" | "Service">;

export type RequiredTokens = Pick<IntentionsValue, "jwt" | "jwtProviders">;

export interface BlockingOptions {
  /** Blocks while the result's index is at most this; 0 answers at once. */
  readonly minIndex: number;
  /** Upper bound of the wait in ms; the caller has applied default, cap and jitter. */
  readonly waitMs: number;
  /** Ends the wait early, with the value as it is then. */
  readonly signal?: AbortSignal;
}

/** A blocking query: reads, and while the index has not passed `minIndex` reads again each time a watched key changes. */
export interface BlockingReader {
  read<T>(query: (reader: StateReader) => Read<T>, options: BlockingOptions): Promise<Read<T>>;
}
