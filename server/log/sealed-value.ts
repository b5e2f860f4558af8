import { crc32c, crc32cText } from "../../lib/base/crc32c.ts";

/**
 * Values on disk: four bytes of CRC32C (big-endian) over key and JSON text, then the text. The key is part of the sum, so
 * that a value which turns up under another key is found out too.
 */
export interface SealedValue {
  readonly bytes: Uint8Array;
  readonly checksum: number;
}

export type Unsealed =
  | { readonly ok: true; readonly value: unknown; readonly checksum: number }
  | { readonly ok: false };

const checksumBytes = 4;

/** Seals text that is JSON already. */
export function sealJson(key: string, json: string): SealedValue {
  const sizeBytes = Buffer.byteLength(json);
  const bytes = Buffer.allocUnsafe(checksumBytes + sizeBytes);
  bytes.write(json, checksumBytes);
  const checksum = sum(key, bytes);
  bytes.writeUInt32BE(checksum, 0);
  return { bytes, checksum };
}

/** Checks the sum and reads the value; not ok when either fails. */
export function unseal(key: string, sealed: Uint8Array): Unsealed {
  if (sealed.byteLength <= checksumBytes) return { ok: false };
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const checksum = bytes.readUInt32BE(0);
  if (sum(key, bytes) !== checksum) return { ok: false };
  try {
    return { ok: true, value: JSON.parse(bytes.toString("utf8", checksumBytes)), checksum };
  } catch {
    return { ok: false };
  }
}

/** Over the key and what is behind the checksum's own place. */
function sum(key: string, bytes: Uint8Array): number {
  return crc32c(bytes, crc32cText(key), checksumBytes);
}
