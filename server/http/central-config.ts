import type { ConnectProxyFields, ServiceInstance, Upstream } from "../../lib/contract/catalog.ts";
import type { ServiceDefaultsEntry } from "../../lib/contract/config-entries.ts";
import {
  hasLimits,
  type UpstreamConfig,
  type UpstreamDefaults,
  upstreamParts,
} from "../../lib/contract/upstream-config.ts";
import { proxyDefaultsName } from "../state/chain-entries.ts";
import type { Read, StateReader } from "../state/reader.ts";
import { passiveHealthCheckAnswer } from "./passive-health-check-body.ts";

/**
 * `?merge-central-config`: sidecars as if their registration said what `proxy-defaults` and the `service-defaults` of their
 * service say. What the registration itself says is stronger.
 */
export function mergeCentralConfig(
  reader: StateReader,
  read: Read<readonly ServiceInstance[]>,
): Read<readonly ServiceInstance[]> {
  const mesh = reader.configEntry("proxy-defaults", proxyDefaultsName);
  const destinations = new Set(read.value.flatMap(({ Service }) => Service.Proxy?.DestinationServiceName ?? []));
  const defaults = new Map(
    [...destinations].map((name) => [name, reader.configEntry("service-defaults", name)] as const),
  );
  const entries = [mesh, ...defaults.values()];
  const index = Math.max(read.index, ...entries.map((entry) => entry.index));
  const watch = [...read.watch, ...entries.flatMap((entry) => entry.watch)];
  const known = merged.get(read.value);
  if (known?.index === index) return { index, watch, value: known.value };
  const meshConfig = mesh.value?.Kind === "proxy-defaults" ? mesh.value.Config : {};
  const value = read.value.map((instance) => {
    const { Service: service } = instance;
    if (service.Kind !== "connect-proxy" || service.Proxy === undefined) return instance;
    const entry = defaults.get(service.Proxy.DestinationServiceName)?.value;
    const own = entry?.Kind === "service-defaults" ? entry : undefined;
    return { ...instance, Service: { ...service, Proxy: mergedProxy(service.Proxy, meshConfig, own) } };
  });
  merged.set(read.value, { index, value });
  return { index, watch, value };
}

/** By the list without the settings, so that all who watch one are given the same object. */
const merged = new WeakMap<
  readonly ServiceInstance[],
  { readonly index: number; readonly value: readonly ServiceInstance[] }
>();

function mergedProxy(
  proxy: ConnectProxyFields,
  mesh: Readonly<Record<string, unknown>>,
  own: ServiceDefaultsEntry | undefined,
): ConnectProxyFields {
  return {
    ...proxy,
    Config: { ...mesh, ...saidOfService(own), ...proxy.Config },
    Upstreams: proxy.Upstreams.map((upstream) => ({
      ...upstream,
      Config: { ...saidOfUpstream(own?.UpstreamConfig, upstream), ...upstream.Config },
    })),
  };
}

function saidOfService(own: ServiceDefaultsEntry | undefined): object {
  if (own === undefined) return {};
  return {
    ...(own.Protocol !== "" && { protocol: own.Protocol }),
    ...(own.MaxInboundConnections > 0 && { max_inbound_connections: own.MaxInboundConnections }),
    ...(own.LocalConnectTimeoutMs > 0 && { local_connect_timeout_ms: own.LocalConnectTimeoutMs }),
    ...(own.LocalRequestTimeoutMs > 0 && { local_request_timeout_ms: own.LocalRequestTimeoutMs }),
  };
}

function saidOfUpstream(config: UpstreamConfig | undefined, { DestinationName: name }: Upstream): object {
  return Object.assign({}, ...upstreamParts(config, name).map(({ said }) => upstreamFields(said)));
}

function upstreamFields(said: UpstreamDefaults): object {
  return {
    ...(said.Protocol !== "" && { protocol: said.Protocol }),
    ...(said.ConnectTimeoutMs > 0 && { connect_timeout_ms: said.ConnectTimeoutMs }),
    ...(hasLimits(said) && {
      limits: {
        MaxConnections: said.MaxConnections || null,
        MaxPendingRequests: said.MaxPendingRequests || null,
        MaxConcurrentRequests: said.MaxConcurrentRequests || null,
      },
    }),
    ...(said.PassiveHealthCheck !== undefined && {
      passive_health_check: passiveHealthCheckAnswer(said.PassiveHealthCheck),
    }),
  };
}
