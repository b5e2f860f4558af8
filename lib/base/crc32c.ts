/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), as in RFC 3720 appendix B.4. Guards every value on disk:
 * LevelDB alone was measured to lose and alter rows silently.
 */
const table = buildTable();

/**
 * The checksum of `bytes[start, end)` as an unsigned 32-bit number; `seed` continues an earlier checksum. A range costs no
 * view of the bytes.
 */
export function crc32c(bytes: Uint8Array, seed = 0, start = 0, end = bytes.length): number {
  let crc = ~seed >>> 0;
  for (let i = start; i < end; i++) {
    crc = ((table[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8)) >>> 0;
  }
  return ~crc >>> 0;
}

function buildTable(): Uint32Array {
  const entries = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let value = n;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0x82f63b78 ^ (value >>> 1) : value >>> 1;
    entries[n] = value >>> 0;
  }
  return entries;
}
