import { formatHostPort, isLoopbackHost } from "../../lib/contract/address.ts";
import type { ConnectProxyFields, ServiceFields } from "../../lib/contract/catalog.ts";
import { readProxySettings } from "../../lib/contract/proxy-settings.ts";

export interface AdminAddressOptions {
  readonly bindAddress: string;
  readonly sidecarMinPort: number;
  /** The admin port of the sidecar on `sidecarMinPort`; the others follow in the same distance. */
  readonly adminMinPort: number;
}

/**
 * Where a sidecar's proxy answers `/metrics` and `/ready`: always the same for the same registration, so that it can be
 * written into a scrape configuration; on loopback, since it is not protected. `Proxy.Config` may say otherwise with
 * `admin_bind_address` and `admin_bind_port`.
 */
export function adminAddress(
  sidecar: ServiceFields & { readonly Proxy: ConnectProxyFields },
  options: AdminAddressOptions,
): string {
  const { settings } = readProxySettings(sidecar.Proxy.Config);
  const derived = sidecar.Port - options.sidecarMinPort + options.adminMinPort;
  return formatHostPort({
    host: settings.adminBindAddress ?? loopbackOf(options.bindAddress),
    // Out of range for a sidecar on an unusual port: the system chooses one.
    port: settings.adminBindPort ?? (derived >= 1 && derived <= 65_535 ? derived : 0),
  });
}

/** Several agents on one machine live on different loopback addresses: each keeps its proxies' ports on its own. */
function loopbackOf(bindAddress: string): string {
  return isLoopbackHost(bindAddress) && bindAddress !== "localhost" ? bindAddress : "127.0.0.1";
}
