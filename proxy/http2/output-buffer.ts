/** Buffers of one size that connections borrow while they write: an idle connection holds none. */
export class BufferPool {
  readonly #free: Buffer[] = [];
  readonly bufferBytes: number;
  readonly #maxFree: number;
  /** What connections have written into and not taken out, whole buffers. */
  lentBytes = 0;

  constructor(bufferBytes = 64 * 1024, maxFree = 64) {
    this.bufferBytes = bufferBytes;
    this.#maxFree = maxFree;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.bufferBytes);
  }

  giveBack(buffer: Buffer): void {
    if (buffer.length === this.bufferBytes && this.#free.length < this.#maxFree) this.#free.push(buffer);
  }
}

const nothing = Buffer.alloc(0);

/**
 * Collects everything that one turn of the event loop writes, so that it leaves in one system call and one TLS record.
 * Writers reserve room and then write to `bytes` at `length`.
 */
export class OutputBuffer {
  bytes: Buffer = nothing;
  length = 0;
  readonly #pool: BufferPool;
  #lent: Buffer | undefined;
  #isDropped = false;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.length + count > this.bytes.length) this.#grow(this.length + count);
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Takes out all that was written. The bytes are the caller's until it says {@link giveBack}, or for ever. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.length);
    this.#count(-this.bytes.length);
    this.#lent = this.bytes;
    this.bytes = nothing;
    this.length = 0;
    return taken;
  }

  /** What was taken last has been copied by the transport: its memory may be written again. */
  giveBack(): void {
    if (this.#lent === undefined) return;
    this.#pool.giveBack(this.#lent);
    this.#lent = undefined;
  }

  /** Nobody will take what was written. */
  drop(): void {
    if (this.bytes.length > 0) {
      this.take();
      this.giveBack();
    }
    this.#isDropped = true;
  }

  #count(bytes: number): void {
    if (!this.#isDropped) this.#pool.lentBytes += bytes;
  }

  #grow(needed: number): void {
    const old = this.bytes;
    if (old.length === 0 && needed <= this.#pool.bufferBytes) {
      this.bytes = this.#pool.take();
      this.#count(this.bytes.length);
      return;
    }
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, old.length * 2, this.#pool.bufferBytes));
    old.copy(larger, 0, 0, this.length);
    this.bytes = larger;
    this.#count(larger.length - old.length);
    this.#pool.giveBack(old);
  }
}
