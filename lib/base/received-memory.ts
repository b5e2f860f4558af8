/**
 * Who owns what a connection brings. The runtime makes new memory for everything that it reads from a socket, and what is left to the
 * garbage collector comes back so late that the next read finds memory in no cache and often in no page table. So the transport frees a
 * chunk when all that was put off to the end of its turn is done, unless somebody keeps it (`proxy/transport/turn-end.ts`).
 */
const isKept = Symbol("kept");

type Memory = ArrayBufferLike & { [isKept]?: true };

/** `bytes`, which it returns, and all else that lies in the same memory may be read for as long as anybody refers to it. */
export function keep<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
  const memory: Memory = bytes.buffer;
  memory[isKept] = true;
  return bytes;
}

/** Gives a chunk's memory back, if it has some of its own that nobody keeps. Who still refers to it finds that it has no bytes. */
export function free(chunk: Uint8Array): void {
  const memory: Memory = chunk.buffer;
  if (memory[isKept] === true || !(memory instanceof ArrayBuffer) || memory.byteLength !== chunk.length) return;
  memory.transfer(0);
}
