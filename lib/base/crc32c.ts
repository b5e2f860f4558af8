/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), as in RFC 3720 appendix B.4. Guards every value on disk:
 * LevelDB alone was measured to lose and alter rows silently.
 *
 * Four bytes a step with a table for each (Kounavis and Berry, "A Systematic Approach to Building High Performance
 * Software-Based CRC Generators"), in signed 32-bit integers throughout: 0.36 us for 300 bytes instead of 2.4.
 */
const [ones, twos, threes, fours] = buildTables();

/**
 * The checksum of `bytes[start, end)` as an unsigned 32-bit number; `seed` continues an earlier checksum. A range costs no
 * view of the bytes.
 */
export function crc32c(bytes: Uint8Array, seed = 0, start = 0, end = bytes.length): number {
  let crc = ~seed;
  let i = start;
  for (const whole = end - 3; i < whole; i += 4) {
    crc ^= (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16) | ((bytes[i + 3] ?? 0) << 24);
    crc =
      (fours[crc & 0xff] ?? 0) ^
      (threes[(crc >>> 8) & 0xff] ?? 0) ^
      (twos[(crc >>> 16) & 0xff] ?? 0) ^
      (ones[crc >>> 24] ?? 0);
  }
  for (; i < end; i++) crc = (ones[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The checksum of the UTF-8 form of `text`, which is not made when the text is ASCII. */
export function crc32cText(text: string, seed = 0): number {
  let crc = ~seed;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return crc32c(Buffer.from(text), seed);
    crc = (ones[(crc ^ code) & 0xff] ?? 0) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

/** `tables[k][n]`: what byte `n` comes to with `k` bytes of zeroes behind it. */
function buildTables(): readonly [Int32Array, Int32Array, Int32Array, Int32Array] {
  const first = Int32Array.from({ length: 256 }, (_, n) => {
    let value = n;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0x82f63b78 ^ (value >>> 1) : value >>> 1;
    return value;
  });
  const after = (table: Int32Array): Int32Array => table.map((value) => (first[value & 0xff] ?? 0) ^ (value >>> 8));
  const second = after(first);
  const third = after(second);
  return [first, second, third, after(third)];
}
