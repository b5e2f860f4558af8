import type { LocalState } from "../local-state.ts";
import type { AgentTokenStore } from "./token-store.ts";

export interface ServiceTokens {
  ofService(serviceId: string): string;
  /** Of some service of that name, or whose sidecar it is; for certificates, which are of names. */
  ofName(name: string): string;
}

/**
 * The token that a service is written to the catalog with: the one it was registered with, else the one for services of
 * configuration files, else the agent's. What the agent writes for itself (the empty id) goes with the agent's.
 */
export function createServiceTokens(
  state: Pick<LocalState, "services">,
  tokens: Pick<AgentTokenStore, "get">,
): ServiceTokens {
  const agentsOwn = (): string => tokens.get("agent") || tokens.get("default");
  const ofService = (serviceId: string): string => {
    const service = state.services().get(serviceId);
    if (service === undefined) return agentsOwn();
    const ofFiles = service.isPersisted ? "" : tokens.get("config_file_service_registration");
    return service.definition.token || ofFiles || tokens.get("default") || agentsOwn();
  };
  return {
    ofService,
    ofName(name) {
      for (const [id, { fields }] of state.services()) {
        if (fields.Service === name || fields.Proxy?.DestinationServiceName === name) return ofService(id);
      }
      return agentsOwn();
    },
  };
}
