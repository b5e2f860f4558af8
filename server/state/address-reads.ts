import type { VirtualIpRecord } from "../../lib/contract/virtual-address.ts";
import { compareText } from "./order.ts";
import { createReadSlot, type ReadCache } from "./read-cache.ts";
import type { AddressHolders, StateReader } from "./reader.ts";
import type { Tables } from "./tables.ts";
import { watchKeys } from "./watch-keys.ts";

/** Who has which address, given or registered. */
export function createAddressReads(
  tables: Tables,
  cache: ReadCache,
): Pick<StateReader, "virtualIp" | "manualIpHolder" | "addressHolders"> {
  const virtualIps = createReadSlot<VirtualIpRecord | undefined>();
  return {
    virtualIp: (service) =>
      cache.read(virtualIps, service, [watchKeys.virtualIp(service)], () => tables.virtualIps.get(service)),
    manualIpHolder: (address) => tables.virtualIps.holderOf(address),
    addressHolders: () => holders(tables),
  };
}

function holders(tables: Tables): ReadonlyMap<string, AddressHolders> {
  const services = new Map<string, Set<string>>();
  for (const { Address, Service } of tables.services.all()) {
    if (Address === "") continue;
    const known = services.get(Address);
    if (known === undefined) services.set(Address, new Set([Service]));
    else known.add(Service);
  }
  const found = new Map<string, AddressHolders>();
  for (const [address, names] of services) found.set(address, { services: [...names].sort(compareText) });
  for (const node of tables.nodes.all()) {
    const known = found.get(node.Address);
    const isFirst = known?.node === undefined || compareText(node.Node, known.node.Node) < 0;
    if (isFirst) found.set(node.Address, { services: [], ...known, node });
  }
  return found;
}
