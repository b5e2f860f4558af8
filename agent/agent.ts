import { isIPv6 } from "node:net";
import { withDeadline } from "../lib/base/deadline.ts";
import { errorMessage } from "../lib/base/errors.ts";
import type { MeteredRuntime } from "../lib/base/runtime.ts";
import { createOwnCoordinate, type OwnCoordinate } from "../lib/client/own-coordinate.ts";
import type { ServerLink } from "../lib/client/server-link.ts";
import { nodeZone } from "../lib/contract/locality.ts";
import type { AgentTokenStore } from "./acl/token-store.ts";
import type { AgentApi, AgentIdentity } from "./agent-api.ts";
import { createAgentService } from "./agent-service.ts";
import { type CheckHost, forwardWithToken } from "./checks/check-host.ts";
import type { AgentOptions } from "./config/agent-options.ts";
import { type Configured, reloadConfigured } from "./config/reload.ts";
import { createIntentionCache } from "./intention-cache.ts";
import { createIntentionSource } from "./intention-source.ts";
import { createLeafManager } from "./identity/leaf-manager.ts";
import { createRootWatch, type RootWatch } from "./identity/root-watch.ts";
import type { ProxyStatus } from "./proxies/proxy-session.ts";
import { type ProxyLaunch, type ProxySessions, startProxySessions } from "./proxy-sessions.ts";
import { holdLease } from "./lease.ts";
import { startRegistrations } from "./registrations.ts";

/**
 * The agent of one node: the roots of trust, the leaf certificates, what is registered here, and the proxies of its
 * sidecars, each resting on the ones before. It reaches the servers through the link only.
 */
export interface Agent {
  readonly api: AgentApi;
  readonly roots: RootWatch;
  /** Resolves when somebody asks that this agent leaves. */
  readonly leaving: Promise<void>;
  /** The last step of a start, when nothing else can fail any more: adopts or starts the proxies of all sidecars. */
  startProxies(): Promise<void>;
  proxies(): readonly ProxyStatus[];
  /**
   * Replaces what the configuration files registered, and says whether the output of checks is kept. Rejects with what does
   * not fit, and then changes what it could.
   */
  reload(next: Configured & Pick<AgentOptions, "discardsCheckOutput">): Promise<void>;
  stop(options: AgentStop): Promise<void>;
}

export interface AgentStop {
  /**
   * The node goes away for a while: its proxies end and it leaves the catalog. Its registrations stay on disk for the
   * next start. Otherwise the proxies go on for the next agent.
   */
  readonly isLeaving: boolean;
  readonly deadlineMs: number;
}

export interface AgentStart {
  readonly runtime: MeteredRuntime;
  readonly link: ServerLink;
  readonly options: AgentOptions;
  readonly identity: AgentIdentity;
  /** The secrets that the agent itself uses. */
  readonly tokens: AgentTokenStore;
  readonly dataDir: string;
  readonly temporaryDir: string;
  readonly userId: number;
  readonly launch: ProxyLaunch;
  /** What checks may use of this machine. */
  readonly checks: Pick<CheckHost, "env" | "docker">;
}

/** Rejects with `DATA_CORRUPT` or `CONFIG_INVALID`; then nothing is left running. */
export async function startAgent(start: AgentStart): Promise<Agent> {
  const { runtime, link, options, identity, dataDir } = start;
  const { datacenter } = options;
  const logger = runtime.logger.child("agent");
  const roots = createRootWatch({ link, runtime });
  const source = createIntentionSource(link, options.defaultIntentionPolicy);
  const intentions = createIntentionCache({ source, clock: runtime.clock });
  // Before the node is in the catalog: nobody is there who does not hold a lease.
  const lease = holdLease({
    runtime,
    link,
    request: {
      Node: identity.nodeName,
      ID: identity.nodeId,
      Address: identity.address,
      Build: identity.version,
      ...options.lease,
    },
    ...ownCoordinate(start),
    // A refused agent may write as soon as it holds the lease; one whose node was removed brings it back.
    onCompare: () => compare(),
  });
  let compare: () => void = () => undefined;
  const registrations = await startRegistrations({
    runtime,
    link,
    dataDir,
    node: nodeFields(start),
    isServer: options.isServer,
    sidecarPorts: options.sidecarPorts,
    checkHost: { ...start.checks, scripts: options.scripts, forward: forwardWithToken(link, start.tokens) },
    ...(options.checkUpdateIntervalMs === undefined ? {} : { checkUpdateIntervalMs: options.checkUpdateIntervalMs }),
    discardsCheckOutput: options.discardsCheckOutput,
    tokens: start.tokens,
    configured: options,
  }).catch((error: unknown) => {
    intentions.close();
    lease.close();
    roots.close();
    throw error;
  });
  compare = () => registrations.sync.compareSoon();
  const leaving = Promise.withResolvers<void>();
  const leaves = createLeafManager({ link, roots, datacenter, tokenFor: registrations.tokens.ofName, runtime });
  const closeIdentity = (): void => {
    intentions.close();
    leaves.close();
    roots.close();
  };
  const api = createAgentService({
    clock: runtime.clock,
    identity,
    registrations,
    leaf: leaves.leaf,
    caRoots: roots.read,
    intentions: intentions.read,
    link,
    onLeave: leaving.resolve,
  });
  let proxies: ProxySessions | undefined;
  let sidecarChanges: { close(): void } | undefined;
  let configured: Configured = options;
  return {
    api,
    roots,
    leaving: leaving.promise,
    async startProxies() {
      const sessions = await startProxySessions({
        ...start,
        runtime: { ...runtime, logger },
        leaves,
        intentions: source,
        datacenter,
        zone: nodeZone(nodeFields(start)),
        admin: {
          bindAddress: options.bindAddress,
          sidecarMinPort: options.sidecarPorts.min,
          adminMinPort: options.adminMinPort,
        },
        sidecars: registrations.managedSidecars(),
        // Without this a new sidecar would stay critical until its listening check happens to run.
        onApplied: (proxyId) => registrations.probeService(proxyId),
      });
      proxies = sessions;
      sidecarChanges = registrations.onSidecarsChange((sidecars) => sessions.update(sidecars));
      sessions.update(registrations.managedSidecars());
    },
    proxies: () => proxies?.status() ?? [],
    async reload(next) {
      const previous = configured;
      configured = next;
      registrations.state.discardOutput(next.discardsCheckOutput);
      await reloadConfigured({ registrations, previous, next });
    },
    async stop({ isLeaving, deadlineMs }) {
      sidecarChanges?.close();
      await registrations.stop();
      lease.close();
      // Before the proxies drain: until the others know, they send more calls.
      if (isLeaving) await leaveCatalog(start, deadlineMs);
      await proxies?.stop({ endProxies: isLeaving, drainMs: Math.round(deadlineMs / 4) });
      closeIdentity();
    },
  };
}

/** A server has its own, and tells it for the agent in its process. */
function ownCoordinate({ runtime, options: { coordinates: settings, isServer } }: AgentStart): {
  readonly coordinate?: OwnCoordinate;
} {
  if (isServer || !settings.isEnabled) return {};
  return { coordinate: createOwnCoordinate({ settings, isServer, runtime }) };
}

function nodeFields({ identity, options: { nodeMeta, locality } }: AgentStart) {
  return {
    ID: identity.nodeId,
    Node: identity.nodeName,
    Address: identity.address,
    Datacenter: identity.datacenter,
    TaggedAddresses: taggedAddresses(identity.address),
    Meta: nodeMeta,
    ...(locality !== undefined && { Locality: locality }),
  };
}

/** One address, under all names that clients look for: an agent of Consul's has these four. */
function taggedAddresses(address: string): Record<string, string> {
  const family = isIPv6(address) ? "ipv6" : "ipv4";
  return { lan: address, [`lan_${family}`]: address, wan: address, [`wan_${family}`]: address };
}

/** So that nobody dials a node whose proxies have ended. The next start registers it again. */
async function leaveCatalog({ link, identity, runtime }: AgentStart, deadlineMs: number): Promise<void> {
  const limits = { clock: runtime.clock, timeoutMs: Math.round(deadlineMs / 4), signal: new AbortController().signal };
  try {
    const left = { id: identity.nodeId, atMs: runtime.clock.nowMs() };
    await withDeadline(limits, (signal) => link.write({ type: "deregister", node: identity.nodeName, left }, signal));
  } catch (thrown) {
    runtime.logger.warn("the node could not be taken out of the catalog", { error: errorMessage(thrown) });
  }
}
