/** Messages on a TCP connection: each behind its length in two bytes (RFC 1035, 4.2.2). */
export interface LengthReader {
  /** Calls back with each message that is whole, in memory that is the reader's; holds 64 KB and one chunk at most. */
  push(chunk: Uint8Array): void;
}

export function createLengthReader(onMessage: (message: Buffer) => void): LengthReader {
  let kept = Buffer.alloc(0);
  return {
    push(chunk) {
      kept = kept.length === 0 ? Buffer.from(chunk) : Buffer.concat([kept, chunk]);
      let offset = 0;
      while (offset + 2 <= kept.length) {
        const end = offset + 2 + kept.readUInt16BE(offset);
        if (end > kept.length) break;
        onMessage(kept.subarray(offset + 2, end));
        offset = end;
      }
      if (offset > 0) kept = kept.subarray(offset);
    },
  };
}

export function withLength(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(message.length + 2);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, 2);
  return framed;
}
