/**
 * A server: its disk is found, made or filled by joining; the log starts and the state recovers from it; the certificate
 * authority is there; the RPC service listens for agents and the other servers; the server is a member of its cluster.
 * Stopped in the opposite order, after leadership has been handed over.
 */
import { join } from "node:path";
import { mustGet } from "../lib/base/assert.ts";
import { giveBackMemory } from "../lib/base/give-back-memory.ts";
import type { Authorizer } from "../lib/acl/authorizer.ts";
import type { MeteredRuntime } from "../lib/base/runtime.ts";
import { formatHostPort, type HostPort } from "../lib/contract/address.ts";
import { defaultAuthorityConfig } from "../lib/contract/authority-config.ts";
import type { IntentionAction } from "../lib/contract/config-entries.ts";
import type { CoordinateSettings } from "../lib/contract/coordinate-settings.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import type { ClusterId } from "../lib/contract/ids.ts";
import { aclsOff, type AclServerSettings, startAclService } from "./acl/acl-service.ts";
import { createAgentJudge, judgeLink } from "./acl/agent-judge.ts";
import { type AgentWriteAudit, auditAgentWrites } from "./agent-write-audit.ts";
import { startAutopilot } from "./autopilot/autopilot.ts";
import { type Authority, createAuthority } from "./ca/authority.ts";
import { ensureAuthority } from "./ca/ensure-authority.ts";
import { createLateAuthority } from "./ca/late-authority.ts";
import { admit } from "./cluster/admission.ts";
import { keepMembership } from "./cluster/membership-keeper.ts";
import { keepServerServices } from "./cluster/server-services.ts";
import { openDisk } from "./cluster/open-disk.ts";
import { createPeerIdentity, type PeerIdentity } from "./cluster/peer-identity.ts";
import { startExpiry } from "./expiry/expiry.ts";
import { createFollowerReads } from "./follower-reads.ts";
import { createFollowingLink } from "./following-link.ts";
import { startLeases } from "./leases/leases.ts";
import { createLocalLink, type ForwardHandler } from "./local-link.ts";
import type { RaftOperator } from "./raft/operator-api.ts";
import { recoverAtStart } from "./raft/recover-peers.ts";
import type { ServerLink } from "../lib/client/server-link.ts";
import type { ReplicaLimits } from "./raft/replica/replica-api.ts";
import { openRaftLog, type RaftLog } from "./raft/shell/raft-log.ts";
import { ownProtocols, type ProtocolRange } from "./rpc/protocol-range.ts";
import { startScrub } from "./raft/shell/scrub.ts";
import { keepJoinToken } from "./rpc/join-token.ts";
import { createLeaderClient } from "./rpc/leader-client.ts";
import { createRaftDialer } from "./rpc/raft-dialer.ts";
import { startRpcServer } from "./rpc/rpc-server.ts";
import { verifyServer } from "./rpc/verify-server.ts";
import type { CatalogServer } from "./server-api.ts";
import { restoreThroughLog } from "./snapshot/restore.ts";
import { createBlockingReader } from "./state/blocking.ts";
import { createState, type State } from "./state/state.ts";
import { watchKeys } from "./state/watch-keys.ts";
import { createTopicSource } from "./topics.ts";

export interface ServerOptions {
  readonly datacenter: string;
  /** The agent's data directory; the server keeps its database in `server/` under it. */
  readonly dataDir: string;
  /** A UUID: refuse data of any other cluster; absent: whatever cluster the directory belongs to. */
  readonly clusterId?: string;
  /** Where the RPC service listens; port 0 takes a free one. */
  readonly rpcHost: string;
  readonly rpcPort: number;
  /** The host that others reach us at, when it is not the one to listen on (such as 0.0.0.0). */
  readonly advertiseHost?: string;
  /** How many servers begin the cluster together; 1 by default. Of no concern once there is data. */
  readonly bootstrapExpect?: number;
  /** Servers to join, `host:port`; its own address may be among them. */
  readonly join?: readonly string[];
  /** What the servers ask of a new one; empty or absent where they ask for none. */
  readonly joinToken?: string;
  /** Access control; off when absent. */
  readonly acl?: AclServerSettings;
  /** What it says to speak with other servers; given by tests of servers of different releases only. */
  readonly protocols?: ProtocolRange;
  /** How it takes part in network coordinates, and as a leader writes those of others; absent: Consul's defaults. */
  readonly coordinates?: CoordinateSettings;
  /** Of the log; given by tests, which would need ten thousand writes to reach the real ones. */
  readonly limits?: Partial<ReplicaLimits>;
  /** Blocked queries and subscriptions at a time; 200,000 when absent. */
  readonly maxWatches?: number;
  /** How long a request that is sent on to the leader may take; what Consul's longest blocking query needs when absent. */
  readonly forwardTimeoutMs?: number;
  /** What applies where no intention matches; absent: what ACLs say. */
  readonly defaultIntentionPolicy?: IntentionAction;
  /** Where the changes that agents make are told; absent: nowhere. */
  readonly audit?: AgentWriteAudit;
  /** Ends the wait for other servers. */
  readonly signal?: AbortSignal;
  readonly runtime: MeteredRuntime;
  /** The server cannot go on and has stopped taking writes; the process should end. */
  readonly onFatal: (error: AtollError) => void;
}

export interface Server extends CatalogServer {
  readonly clusterId: ClusterId;
  /** As bound: the port is the real one. */
  readonly rpcAddress: HostPort;
  /** What an agent on another machine needs to join. */
  readonly joinToken: string;
  /** The link of the agent of `node` in this process, held to what its node and its tokens may do. */
  linkOf(node: string): ServerLink;
  /** What a token may do, looked up once more after catching up with the leader if nobody has it here. */
  resolveToken(secret: string): Promise<Authorizer>;
  /** Where `/v1` requests of agents without a server of their own are run; set by whoever builds the HTTP app. */
  setForwardHandler(handler: ForwardHandler): void;
  /**
   * Ends the streams, gives the calls under way `deadlineMs` to finish, then writes what was accepted and closes the
   * database, however long that takes: it is what a restart would otherwise have to do.
   */
  stop(deadlineMs: number): Promise<void>;
}

/** Fewer leave little behind when they are read, and a start should not take longer for them. */
const manyRows = 50_000;

/** Rejects with `DATA_DIR_LOCKED`, `DATA_CORRUPT`, `DATA_VERSION`, `WRONG_CLUSTER`, `CONFIG_INVALID` or `ADDRESS_IN_USE`. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { datacenter, audit } = options;
  checkClusterId(options.clusterId);
  const runtime: MeteredRuntime = { ...options.runtime, logger: options.runtime.logger.child("server") };
  const directory = join(options.dataDir, "server");

  const aclSettings = options.acl ?? aclsOff;
  const state = createState({
    // Unless it is set, who may call whom follows who may do what.
    defaultIntention:
      options.defaultIntentionPolicy === undefined
        ? { defaultAction: aclSettings.isEnabled ? aclSettings.defaultPolicy : "allow" }
        : { defaultAction: options.defaultIntentionPolicy, isDefaultSet: true },
    ...(options.maxWatches === undefined ? {} : { maxWatches: options.maxWatches }),
  });
  const { reader } = state;
  const blocking = createBlockingReader({ reader, watches: state.watches, clock: runtime.clock });
  const servers = options.join ?? [];
  const joinToken = options.joinToken ?? "";
  const protocols = options.protocols ?? ownProtocols;
  const bootstrapExpect = options.bootstrapExpect ?? 1;
  const signal = options.signal ?? new AbortController().signal;
  const listen = { host: options.rpcHost, port: options.rpcPort };
  const advertiseHost = options.advertiseHost ?? options.rpcHost;
  await recoverAtStart({ dataDir: options.dataDir, datacenter, logger: runtime.logger });
  const { disk, enrolled } = await openDisk({
    directory,
    expected: { datacenter, ...(options.clusterId === undefined ? {} : { clusterId: options.clusterId }) },
    listen,
    advertise: { host: advertiseHost, port: options.rpcPort },
    bootstrapExpect,
    join: servers,
    joinToken,
    protocols,
    runtime,
    signal,
  });
  const { nodeId } = disk.identity;
  let identity: PeerIdentity | undefined;
  const wire = createRaftDialer({
    credentials: () => mustGet(identity, "peers are dialled with a certificate").credentials(),
    protocols,
    clock: runtime.clock,
  });
  const log = openRaftLog({
    disk,
    machine: state,
    wire,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    runtime,
    onFatal: options.onFatal,
  });
  if (disk.rowCount > manyRows) giveBackMemory();
  try {
    const authorityConfig = () => reader.authorityConfig().value ?? defaultAuthorityConfig;
    const create = (): Authority =>
      createAuthority({
        roots: state.caRoots,
        datacenter,
        nodeId,
        config: authorityConfig,
        currentIndex: reader.appliedIndex,
        runtime,
      });
    const authority =
      enrolled === undefined
        ? await ownAuthority({ log, state, create, datacenter, nodeId, runtime, signal })
        : createLateAuthority({ ...enrolled, datacenter, roots: state.caRoots, create });
    const peerIdentity = createPeerIdentity({ authority, clock: runtime.clock });
    identity = peerIdentity;
    const topics = createTopicSource({ reader, watches: state.watches });
    let forward: ForwardHandler = async () => {
      throw new AtollError("UNAVAILABLE", "the HTTP API of this server is not up yet; ask again");
    };
    const leaderLink = createLeaderClient({
      authority,
      clock: runtime.clock,
      ...(options.forwardTimeoutMs !== undefined && { forwardTimeoutMs: options.forwardTimeoutMs }),
    });
    const leases = startLeases({
      nodeId,
      log,
      reader,
      otherServers: () =>
        log.operator
          .members()
          .map(({ node }) => node)
          .filter((node) => node !== nodeId),
      ...(options.coordinates === undefined ? {} : { coordinates: options.coordinates }),
      reportTo: (address, report, reportSignal) => leaderLink.reportLeases(address, nodeId, report, reportSignal),
      runtime,
    });
    let rpcPort = options.rpcPort;
    const ownLink = createLocalLink({
      log,
      reader,
      topics,
      sign: (csrPem) => authority.sign(csrPem),
      forward: (request, forwardSignal) => forward(request, forwardSignal),
      holdLease: (request, listener) => leases.holdOwn(request, rpcPort, listener),
      addServer: (address, joinSignal) =>
        verifyServer(address, { credentials: peerIdentity.credentials(), clock: runtime.clock, signal: joinSignal }),
      ...(audit === undefined ? {} : { audit: (write) => auditAgentWrites(write, { ...audit, runtime }) }),
    });
    const link = createFollowingLink(ownLink, leaderLink);
    const followerReads = createFollowerReads({
      leaderAddress: () => log.leadership().leaderAddress,
      askIndex: (address, freshness, askSignal) =>
        leaderLink.readIndex(address, { isConsistent: freshness === "consistent" }, askSignal),
      whenApplied: log.whenApplied,
      clock: runtime.clock,
    });
    const acl = startAclService({ settings: aclSettings, datacenter, dataDir: options.dataDir, reader, log, runtime });
    const judge = createAgentJudge({
      acl,
      reader,
      catchUp: async () => !log.leadership().isLeader && (await followerReads.catchUp("leader")),
    });
    const operator: RaftOperator = {
      ...log.operator,
      restoreSnapshot: (rows, restoreSignal) =>
        restoreThroughLog({
          log,
          rows,
          restoreId: runtime.random.uuid(),
          ...(restoreSignal === undefined ? {} : { signal: restoreSignal }),
        }),
    };
    const stopping = new AbortController();
    if (joinToken !== "") await keepJoinToken({ dataDir: options.dataDir, joinToken });
    const rpc = await startRpcServer({
      listen,
      authority,
      link,
      ownLink,
      judge,
      dataDir: options.dataDir,
      leases,
      raft: {
        inbox: log.inbox,
        protocols,
        greet: () => ({ clusterId: log.clusterId, nodeId, datacenter, leaderAddress: log.leadership().leaderAddress }),
        readIndex: (request, readSignal) => log.indexToRead(request, readSignal),
        reportLeases: leases.report,
        join: (request) => admit(request, { operator, authority, bootstrapExpect, signal: stopping.signal }),
      },
      runtime,
    });
    rpcPort = rpc.address.port;
    const rootWatch = state.watches.watch([watchKeys.caRoots], rpc.followRoots);
    const address = formatHostPort({ host: advertiseHost, port: rpcPort });
    log.advertise(address);
    const { credentials } = identity;
    const membership = keepMembership({
      operator,
      address,
      datacenter,
      join: servers,
      joinToken,
      protocols,
      credentials,
      runtime,
    });
    const scrub = startScrub({ directory, runtime, onDamage: options.onFatal });
    const autopilot = startAutopilot({ operator, reader, runtime });
    const serverServices = keepServerServices({ log, reader, runtime });
    const expiry = startExpiry({ log, reader, watches: state.watches, runtime });
    return {
      datacenter,
      clusterId: log.clusterId,
      reader,
      blocking,
      log,
      operator,
      autopilot,
      authority,
      locks: expiry,
      acl,
      leaderLink,
      followerReads,
      link,
      leases,
      resolveToken: (secret) => judge.judged(() => acl.resolve(secret)),
      linkOf: (node) =>
        judgeLink({
          link,
          judge,
          node,
          sign: (csrPem, demandService) => authority.sign(csrPem, { services: true, demandService }),
        }),
      setForwardHandler(handler) {
        forward = handler;
      },
      rpcAddress: rpc.address,
      joinToken: rpc.joinToken,
      async stop(deadlineMs) {
        rootWatch.cancel();
        expiry.close();
        serverServices.close();
        autopilot.close();
        acl.close();
        scrub.close();
        membership.close();
        stopping.abort();
        followerReads.close();
        leases.close();
        leaderLink.close();
        await log.handOver();
        await rpc.stop(deadlineMs);
        await link.close();
        await log.stop();
      },
    };
  } catch (thrown) {
    await log.stop();
    throw thrown;
  }
}

/** The authority of the state that is there, or, on the server that begins a cluster, a new one. */
async function ownAuthority(parts: {
  readonly log: RaftLog;
  readonly state: State;
  readonly create: () => Authority;
  readonly datacenter: string;
  readonly nodeId: string;
  readonly runtime: MeteredRuntime;
  readonly signal: AbortSignal;
}): Promise<Authority> {
  const { log, state, runtime, signal } = parts;
  const isAlone = log.operator.status().membership.voters.length === 1;
  if (state.caRoots().length > 0 && !isAlone) return parts.create();
  // A cluster of one serves from the start on: it leads before it listens.
  await log.waitForLeader(signal);
  return ensureAuthority({
    log,
    roots: state.caRoots,
    datacenter: parts.datacenter,
    nodeId: parts.nodeId,
    clusterId: log.clusterId,
    config: () => state.reader.authorityConfig().value ?? defaultAuthorityConfig,
    currentIndex: state.reader.appliedIndex,
    runtime,
    signal,
  });
}

/** It becomes a part of every identity, so it has to be what a trust domain can hold. */
function checkClusterId(id: string | undefined): void {
  if (id === undefined || /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return;
  throw new AtollError("CONFIG_INVALID", `cluster id "${id}" is not a UUID in lower case`);
}
