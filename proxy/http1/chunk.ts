/** Writing bodies in chunks (RFC 9112 section 7.1). */

export const lastChunk = Buffer.from("0\r\n\r\n", "latin1");
/** Hexadecimal digits of a size, twice CR LF, and the last chunk. */
const maxOverheadBytes = 8 + 4 + lastChunk.length;

/** `bytes[start, end)`, not empty, as one chunk; `isEnd` adds the last one. One buffer, so that a small answer is one write. */
export function chunkOf(bytes: Buffer, start: number, end: number, isEnd: boolean): Buffer {
  const out = Buffer.allocUnsafe(end - start + maxOverheadBytes);
  let at = out.write(`${(end - start).toString(16)}\r\n`, 0, "latin1");
  at += bytes.copy(out, at, start, end);
  at += out.write("\r\n", at, "latin1");
  if (isEnd) at += lastChunk.copy(out, at);
  return out.subarray(0, at);
}
