/**
 * Virtual addresses of mesh services. The servers give each service a number that stays its own; both addresses follow
 * from it, so every agent names the same ones without asking.
 */
import type { Indexed } from "./catalog.ts";

/** Under this name the address stands among an instance's TaggedAddresses, as in Consul. */
export const virtualAddressTag = "consul-virtual";

/** 127.128.0.0/9 without its first and last address: the smaller one of the two ranges. */
export const maxVirtualOffset = 2 ** 23 - 2;

/** In 240.0.0.0/4, which proxies with captured traffic answer for. `offset` is 1 to {@link maxVirtualOffset}. */
export function consulVirtualAddress(offset: number): Uint8Array {
  return bytesOf(0xf000_0000 + offset);
}

/** In 127.128.0.0/9, which every process of a host may listen on. */
export function loopbackVirtualAddress(offset: number): Uint8Array {
  return bytesOf(0x7f80_0000 + offset);
}

/** The virtual addresses of one mesh service. */
export interface VirtualIpFields {
  readonly Service: string;
  /** 1 to {@link maxVirtualOffset}; no other service has it. */
  readonly Offset: number;
  /** Addresses that somebody gave it besides, IPv4, each of one service only. */
  readonly ManualIPs: readonly string[];
  /** The index at which its last mesh-capable instance left; 0 while it has any. */
  readonly UnusedSince: number;
}
export type VirtualIpRecord = VirtualIpFields & Indexed;

/** Consul's limit. */
const maxManualIps = 8;
const ipv4Pattern = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

/** Why these cannot be a service's manual addresses, in Consul's words; undefined when they can. */
export function manualIpsProblem(addresses: readonly string[]): string | undefined {
  if (addresses.length > maxManualIps) {
    return `cannot associate more than ${maxManualIps} manual virtual IPs with the same service`;
  }
  const wrong = addresses.find((address) => !ipv4Pattern.test(address));
  return wrong === undefined ? undefined : `${JSON.stringify(wrong)} is not a valid IPv4 address`;
}

function bytesOf(address: number): Uint8Array {
  return Uint8Array.of(address >>> 24, (address >>> 16) & 0xff, (address >>> 8) & 0xff, address & 0xff);
}
