import type { ConnectProxyFields, ServiceFields } from "../../lib/contract/catalog.ts";

/** A registered sidecar: a service of kind `connect-proxy`, which always has a `Proxy`. */
export type Sidecar = ServiceFields & { readonly Proxy: ConnectProxyFields };

export function isSidecar(service: ServiceFields): service is Sidecar {
  return service.Kind === "connect-proxy" && service.Proxy !== undefined;
}
