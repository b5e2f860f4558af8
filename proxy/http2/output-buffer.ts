/** What a stream borrows to gather small pieces. */
const smallBytes = 4096;

/** Buffers of two sizes that connections borrow while they write: an idle connection holds none. */
export class BufferPool {
  readonly #free: Buffer[] = [];
  readonly #freeSmall: Buffer[] = [];
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

  takeSmall(): Buffer {
    this.lentBytes += smallBytes;
    return this.#freeSmall.pop() ?? Buffer.allocUnsafeSlow(smallBytes);
  }

  giveBackSmall(buffer: Buffer): void {
    this.lentBytes -= smallBytes;
    if (this.#freeSmall.length < this.#maxFree) this.#freeSmall.push(buffer);
  }
}

const nothing = Buffer.alloc(0);

/**
 * Collects everything that one turn of the event loop writes, so that it leaves in few system calls and full TLS records.
 * Writers begin a frame and then write to `bytes` at `length`. A buffer that has no room for the next frame is full and
 * waits as it is: larger memory would have to be found, and all of it copied there.
 */
export class OutputBuffer {
  bytes: Buffer = nothing;
  length = 0;
  readonly #pool: BufferPool;
  /** Before `bytes`, the oldest first. */
  readonly #full: Filled[] = [];
  #fullBytes = 0;
  #lent: Buffer | undefined;
  #isDropped = false;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** All that was written and not taken. */
  get waitingBytes(): number {
    return this.#fullBytes + this.length;
  }

  /** Makes room for a frame of `count` bytes, which may end up in another buffer than those before it. */
  begin(count: number): void {
    const { length } = this;
    if (length + count <= this.bytes.length) return;
    if (length > 0) {
      this.#full.push({ bytes: this.bytes, length });
      this.#fullBytes += length;
      this.bytes = nothing;
      this.length = 0;
    }
    this.reserve(count);
  }

  /** Makes room for `count` more bytes of the frame that was begun. */
  reserve(count: number): void {
    if (this.length + count > this.bytes.length) this.#grow(this.length + count);
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Takes out the oldest of what was written. The bytes are the caller's until it says {@link giveBack}, or for ever. */
  take(): Buffer {
    const full = this.#full.shift();
    if (full !== undefined) {
      this.#fullBytes -= full.length;
      return this.#lend(full.bytes, full.length);
    }
    const { bytes, length } = this;
    this.bytes = nothing;
    this.length = 0;
    return this.#lend(bytes, length);
  }

  /** What was taken last has been copied by the transport: its memory may be written again. */
  giveBack(): void {
    if (this.#lent === undefined) return;
    this.#pool.giveBack(this.#lent);
    this.#lent = undefined;
  }

  /** Nobody will take what was written. */
  drop(): void {
    while (this.#full.length > 0 || this.bytes.length > 0) {
      this.take();
      this.giveBack();
    }
    this.#isDropped = true;
  }

  #lend(bytes: Buffer, length: number): Buffer {
    this.#count(-bytes.length);
    this.#lent = bytes;
    return bytes.subarray(0, length);
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

interface Filled {
  readonly bytes: Buffer;
  readonly length: number;
}
