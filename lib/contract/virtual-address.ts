/**
 * Virtual addresses of mesh services. The servers give each service a number that stays its own; both addresses follow
 * from it, so every agent names the same ones without asking.
 */

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

function bytesOf(address: number): Uint8Array {
  return Uint8Array.of(address >>> 24, (address >>> 16) & 0xff, (address >>> 8) & 0xff, address & 0xff);
}
