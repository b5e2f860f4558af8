import { type Clock, sleep } from "../lib/base/clock.ts";
import type { ServerLink } from "../lib/client/server-link.ts";
import type { CheckFields, CheckStatus } from "../lib/contract/catalog.ts";
import type { AgentApi, AgentIdentity } from "./agent-api.ts";
import { createMaintenance } from "./maintenance.ts";
import type { Registrations } from "./registrations.ts";

export interface AgentServiceOptions {
  readonly clock: Clock;
  readonly identity: AgentIdentity;
  readonly registrations: Registrations;
  readonly leaf: AgentApi["leaf"];
  readonly caRoots: AgentApi["caRoots"];
  readonly intentions: AgentApi["intentions"];
  readonly link: Pick<ServerLink, "forward" | "addServer">;
  readonly onLeave: () => void;
}

/** How long a local change waits for the catalog to have it too, before it is answered without that. */
const catalogWaitMs = 2_000;

/** The agent as the processes of its host see it. */
export function createAgentService(options: AgentServiceOptions): AgentApi {
  const { clock, registrations } = options;
  const { state, registrar, sync } = registrations;
  const maintenance = createMaintenance({ state, registrar });
  /**
   * A local change holds whatever the servers say, so their failure is not the caller's. Waiting lets a caller who looks
   * into the catalog next find there what it has just registered.
   */
  const thenSync = async (change: Promise<void> | void): Promise<void> => {
    await change;
    const done = new AbortController();
    await Promise.race([sync.settled(), sleep(clock, catalogWaitMs, done.signal)]);
    done.abort();
  };
  return {
    identity: options.identity,
    services: () => new Map([...state.services()].map(([id, service]) => [id, service.fields])),
    checks: () => new Map([...state.checks()].map(([id, check]): [string, CheckFields] => [id, check.fields])),
    onLocalChange: (listener) => state.observe(listener),
    registerService: (definition, { replaceExistingChecks }) =>
      thenSync(registrar.registerService(definition, { replaceExistingChecks, isPersisted: true })),
    deregisterService: (serviceId) => thenSync(registrar.deregisterService(serviceId)),
    registerCheck: (definition) => thenSync(registrar.registerCheck(definition, { isPersisted: true })),
    deregisterCheck: (checkId) => thenSync(registrar.deregisterCheck(checkId)),
    async updateTtlCheck(checkId: string, status: CheckStatus, output: string) {
      await thenSync(registrations.heartbeat(checkId, status, output));
    },
    setServiceMaintenance: (serviceId, wish) => thenSync(maintenance.setService(serviceId, wish)),
    setNodeMaintenance: (wish) => thenSync(maintenance.setNode(wish)),
    intentions: options.intentions,
    forward: options.link.forward,
    join: options.link.addServer,
    leave: options.onLeave,
    caRoots: options.caRoots,
    leaf: options.leaf,
  };
}
