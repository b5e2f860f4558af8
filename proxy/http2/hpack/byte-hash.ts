/** From here on comparing inside the engine costs less than a loop. */
const longBytes = 64;

/** The length, up to 16 bytes spread over the range and its last 4: never 0, and equal for equal bytes. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  let hash = length + 1;
  const step = (length >> 4) + 1;
  for (let i = start; i < end; i += step) hash = (Math.imul(hash, 31) + (bytes[i] ?? 0)) | 0;
  for (let i = length > 4 ? end - 4 : start; i < end; i++) hash = (Math.imul(hash, 31) + (bytes[i] ?? 0)) | 0;
  return hash ^ (hash >>> 15) || 1;
}

export function isSameBytes(kept: Uint8Array, bytes: Buffer, start: number, end: number): boolean {
  const { length } = kept;
  if (length !== end - start) return false;
  if (length > longBytes) return bytes.compare(kept, 0, length, start, end) === 0;
  for (let i = 0; i < length; i++) if (kept[i] !== bytes[start + i]) return false;
  return true;
}
