/** Rows in a snapshot chunk, one after the other: lengths of name and value (32 bits each), `<table>/<key>`, sealed value. */
const headerBytes = 8;

export interface ChunkWriter {
  add(name: { readonly table: string; readonly key: string }, sealed: Uint8Array): void;
  sizeBytes(): number;
  take(): Uint8Array;
}

export function createChunkWriter(): ChunkWriter {
  let parts: Uint8Array[] = [];
  let size = 0;
  return {
    add({ table, key }, sealed) {
      const name = Buffer.from(`${table}/${key}`);
      const header = Buffer.allocUnsafe(headerBytes);
      header.writeUInt32BE(name.byteLength, 0);
      header.writeUInt32BE(sealed.byteLength, 4);
      parts.push(header, name, sealed);
      size += headerBytes + name.byteLength + sealed.byteLength;
    },
    sizeBytes: () => size,
    take() {
      const chunk = Buffer.concat(parts, size);
      parts = [];
      size = 0;
      return chunk;
    },
  };
}

export interface RowFrame {
  readonly table: string;
  readonly key: string;
  /** A view of the chunk. */
  readonly sealed: Uint8Array;
}

/** Undefined when the lengths do not add up. */
export function readChunk(chunk: Uint8Array): readonly RowFrame[] | undefined {
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  const frames: RowFrame[] = [];
  let at = 0;
  while (at < bytes.byteLength) {
    if (at + headerBytes > bytes.byteLength) return undefined;
    const nameEnd = at + headerBytes + bytes.readUInt32BE(at);
    const end = nameEnd + bytes.readUInt32BE(at + 4);
    if (end > bytes.byteLength) return undefined;
    const name = bytes.toString("utf8", at + headerBytes, nameEnd);
    const slash = name.indexOf("/");
    if (slash < 1) return undefined;
    frames.push({ table: name.slice(0, slash), key: name.slice(slash + 1), sealed: bytes.subarray(nameEnd, end) });
    at = end;
  }
  return frames;
}
