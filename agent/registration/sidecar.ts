import type { CheckDefinition, ServiceDefinition, SidecarDefinition } from "../service-definition.ts";
import { formatHostPort, type HostPort } from "../../lib/contract/address.ts";
import { maxCheckOutputBytes } from "./decode-check.ts";
import { localHost } from "./decode-proxy.ts";

/** How often the default check of a sidecar tries its port. */
const listeningIntervalMs = 10_000;
const listeningTimeoutMs = 10_000;

/** The id of the sidecar that `Connect.SidecarService` makes. */
export function sidecarId(serviceId: string): string {
  return `${serviceId}-sidecar-proxy`;
}

export interface SidecarContext {
  /** The port that was chosen for it (see sidecar-ports.ts), unless its definition names one. */
  readonly port: number;
  /** Where the sidecar's port is reached when neither it nor its service names an address. */
  readonly nodeAddress: string;
}

/**
 * Expands `Connect.SidecarService` to the service that is registered beside its parent: what it leaves out comes from the
 * parent. Unlike Consul it also takes the parent's weights, since the mesh balances over sidecars.
 */
export function expandSidecar(
  parent: ServiceDefinition,
  sidecar: SidecarDefinition,
  context: SidecarContext,
): ServiceDefinition {
  const id = sidecarId(parent.id);
  const address = sidecar.address ?? parent.address;
  const locality = sidecar.locality ?? parent.locality;
  const localServicePort = sidecar.proxy?.LocalServicePort ?? parent.port;
  // Without a port of the application there are no calls to accept: such a sidecar only makes them.
  const listener = localServicePort === 0 ? undefined : { host: address || context.nodeAddress, port: context.port };
  return {
    kind: "connect-proxy",
    id,
    name: sidecar.name ?? `${parent.name}-sidecar-proxy`,
    tags: sidecar.tags ?? parent.tags,
    meta: sidecar.meta ?? parent.meta,
    address,
    port: context.port,
    taggedAddresses: sidecar.taggedAddresses ?? {},
    weights: sidecar.weights ?? parent.weights,
    enableTagOverride: sidecar.enableTagOverride ?? false,
    connectNative: false,
    ...(parent.token !== undefined && { token: parent.token }),
    ...(locality !== undefined && { locality }),
    proxy: {
      DestinationServiceName: parent.name,
      DestinationServiceID: parent.id,
      LocalServiceAddress: sidecar.proxy?.LocalServiceAddress ?? localHost,
      LocalServicePort: localServicePort,
      Config: sidecar.proxy?.Config ?? {},
      Upstreams: sidecar.proxy?.Upstreams ?? [],
    },
    checks: sidecar.checks ?? defaultChecks(parent.id, listener),
  };
}

/** The port as other proxies reach it, and the parent's health: a sidecar is as healthy as both. */
function defaultChecks(parentId: string, listener: HostPort | undefined): readonly CheckDefinition[] {
  const common = {
    checkId: "",
    notes: "",
    serviceId: "",
    initialStatus: "critical",
    successBeforePassing: 0,
    failuresBeforeWarning: 0,
    failuresBeforeCritical: 0,
    deregisterCriticalServiceAfterMs: 0,
    outputMaxBytes: maxCheckOutputBytes,
  } as const;
  const probe = { intervalMs: listeningIntervalMs, timeoutMs: listeningTimeoutMs };
  const alias: CheckDefinition = {
    ...common,
    name: `Connect Sidecar Aliasing ${parentId}`,
    probe: { type: "alias", node: "", service: parentId },
  };
  if (listener === undefined) return [alias];
  const address = formatHostPort(listener);
  return [{ ...common, name: "Connect Sidecar Listening", probe: { type: "tcp", address, ...probe } }, alias];
}
