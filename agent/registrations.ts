import type { MeteredRuntime } from "../lib/base/runtime.ts";
import type { ServerLink } from "../lib/client/server-link.ts";
import type { CheckStatus, NodeFields } from "../lib/contract/catalog.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { createServiceTokens, type ServiceTokens } from "./acl/service-tokens.ts";
import { type AgentTokenStore, noTokens } from "./acl/token-store.ts";
import { type AntiEntropy, createAntiEntropy, defaultCheckUpdateIntervalMs } from "./anti-entropy.ts";
import { type CheckHost, defaultCheckHost } from "./checks/check-host.ts";
import { startCheckRunners } from "./checks/check-runners.ts";
import { createLocalState, type LocalState } from "./local-state.ts";
import { createRegistrationStore, type RegistrationStore } from "./persistence.ts";
import { isSidecar, type Sidecar } from "./proxies/sidecar.ts";
import { createRegistrar, type Registrar } from "./registrar.ts";
import { restoreUpdate } from "./registration/restore.ts";
import { defaultSidecarPorts, type PortRange } from "./registration/sidecar-ports.ts";
import type { CheckDefinition, ServiceDefinition } from "./service-definition.ts";

/**
 * The registrations of one agent and what keeps them true: the saved ones are read, those of the configuration are added,
 * checks run, and the catalog follows. Stopped in the opposite order; nothing is deregistered by stopping.
 */
export interface Registrations {
  readonly state: LocalState;
  readonly registrar: Registrar;
  readonly sync: Pick<AntiEntropy, "settled" | "status" | "compareSoon">;
  readonly tokens: ServiceTokens;
  heartbeat(checkId: string, status: CheckStatus, output: string): void;
  /** Makes the probes of a service run now, as when its proxy has just begun to listen. */
  probeService(serviceId: string): void;
  /** The sidecars that this agent runs proxies for: those that a registration asked for with `Connect.SidecarService`. */
  managedSidecars(): readonly Sidecar[];
  /** Calls back with all of them after each change of one until closed. */
  onSidecarsChange(listener: (sidecars: readonly Sidecar[]) => void): { close(): void };
  stop(): Promise<void>;
}

export interface RegistrationsOptions {
  readonly runtime: MeteredRuntime;
  readonly link: ServerLink;
  readonly dataDir: string;
  /** The node as it is registered in the catalog. */
  readonly node: NodeFields;
  /** On a server, the catalog entry `consul` of this node is the servers' own. */
  readonly isServer: boolean;
  readonly sidecarPorts?: PortRange;
  readonly checkUpdateIntervalMs?: number;
  /** Absent: the output of checks is kept and told. */
  readonly discardsCheckOutput?: boolean;
  /** The agent's own tokens; absent: none. */
  readonly tokens?: AgentTokenStore;
  /** What checks may use; absent: no programs. */
  readonly checkHost?: CheckHost;
  /** Services and checks of the configuration files. */
  readonly configured: {
    readonly services: readonly ServiceDefinition[];
    readonly checks: readonly CheckDefinition[];
  };
}

/** Rejects with `DATA_CORRUPT` for files that cannot be read and `CONFIG_INVALID` for configured services that do not fit. */
export async function startRegistrations(options: RegistrationsOptions): Promise<Registrations> {
  const { node, link } = options;
  const runtime = { ...options.runtime, logger: options.runtime.logger.child("agent") };
  const store = createRegistrationStore({ dataDir: options.dataDir, logger: runtime.logger });
  const saved = await store.load();
  const state = createLocalState(node.Node);
  state.discardOutput(options.discardsCheckOutput ?? false);
  const configuredServiceIds = new Set(options.configured.services.map((service) => service.id));
  const restored = restoreUpdate(saved, { configuredServiceIds, logger: runtime.logger });
  state.apply({ services: restored.services, checks: restored.checks });
  for (const checkId of restored.orphanedCheckIds) await store.removeCheck(checkId);

  const checkHost = options.checkHost ?? defaultCheckHost(link);
  const registrar = createRegistrar({
    state,
    store,
    logger: runtime.logger,
    nodeAddress: node.Address,
    sidecarPorts: options.sidecarPorts ?? defaultSidecarPorts,
    scripts: checkHost.scripts,
  });
  await registerConfigured(registrar, options.configured);
  state.apply({ checks: restored.lateChecks });
  for (const [checkId, last] of saved.states) {
    // Checks of the configuration keep their status over a restart as well.
    if (state.checks().has(checkId)) state.setCheckStatus(checkId, last.status, last.output);
    else store.removeCheckState(checkId);
  }

  const runners = startCheckRunners({
    runtime,
    state,
    store,
    savedStates: saved.states,
    host: checkHost,
    deregisterService: (serviceId) => registrar.deregisterService(serviceId),
  });
  const tokens = createServiceTokens(state, options.tokens ?? noTokens);
  const sync = createAntiEntropy({
    runtime,
    link,
    state,
    node,
    checkUpdateIntervalMs: options.checkUpdateIntervalMs ?? defaultCheckUpdateIntervalMs,
    tokenFor: tokens.ofService,
    foreignServiceIds: new Set(options.isServer ? ["consul"] : []),
  });
  sync.start();
  return {
    state,
    registrar,
    sync,
    tokens,
    heartbeat: (checkId, status, output) => runners.heartbeat(checkId, status, output),
    probeService: (serviceId) => runners.probeService(serviceId),
    managedSidecars: () => managedSidecars(state),
    onSidecarsChange: (listener) => watchSidecars(state, listener),
    stop: () => stopAll({ runners, sync, registrar, store }),
  };
}

async function stopAll(parts: {
  readonly runners: { stop(): void };
  readonly sync: AntiEntropy;
  readonly registrar: Registrar;
  readonly store: RegistrationStore;
}): Promise<void> {
  parts.runners.stop();
  await parts.registrar.drained();
  await parts.sync.stop();
  await parts.store.close();
}

/** Applications before the proxies that name them; a mistake in one of them stops the start and says which. */
async function registerConfigured(registrar: Registrar, configured: RegistrationsOptions["configured"]): Promise<void> {
  const services = configured.services.toSorted((a, b) => a.kind.length - b.kind.length);
  for (const service of services) {
    await named(`service "${service.id}"`, () =>
      registrar.registerService(service, { replaceExistingChecks: true, isPersisted: false }),
    );
  }
  for (const check of configured.checks) {
    await named(`check "${check.checkId}"`, () => registrar.registerCheck(check, { isPersisted: false }));
  }
}

async function named(what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof AtollError)) throw error;
    throw new AtollError("CONFIG_INVALID", `${what} of the configuration: ${error.message}`, { cause: error });
  }
}

function managedSidecars(state: LocalState): readonly Sidecar[] {
  return [...state.services().values()]
    .filter((service) => service.parentId !== undefined)
    .map((service) => service.fields)
    .filter(isSidecar)
    .toSorted((a, b) => (a.ID < b.ID ? -1 : 1));
}

function watchSidecars(state: LocalState, listener: (sidecars: readonly Sidecar[]) => void): { close(): void } {
  let known = new Set(managedSidecars(state).map((sidecar) => sidecar.ID));
  return state.observe((changes) => {
    const isAboutSidecar = changes.some(
      (change) =>
        change.kind === "service" && (known.has(change.id) || state.services().get(change.id)?.parentId !== undefined),
    );
    if (!isAboutSidecar) return;
    const sidecars = managedSidecars(state);
    known = new Set(sidecars.map((sidecar) => sidecar.ID));
    listener(sidecars);
  });
}
