import { type ConnectionProblem, ErrorCode } from "./error-codes.ts";
import { Flag, FrameType } from "./frame-types.ts";
import type { Http2Limits } from "./limits.ts";

/** The part of a frame sink that header blocks need. */
interface HeaderSink {
  onHeaderBlock(streamId: number, isEnd: boolean, dependsOn: number, bytes: Buffer, start: number, end: number): void;
  onEmptyFragment(): void;
  onFrameError(code: number, problem: ConnectionProblem): void;
}

const empty = Buffer.alloc(0);

/** Joins HEADERS and CONTINUATION frames (RFC 9113 sections 6.2 and 6.10); a block in one frame is passed on as it lies. */
export class HeaderAssembly {
  /** The stream whose block is incomplete, else 0. */
  streamId = 0;
  readonly #sink: HeaderSink;
  readonly #maxBlockBytes: number;
  readonly #maxContinuations: number;
  #isEnd = false;
  #dependsOn = -1;
  #continuations = 0;
  #block: Buffer = empty;
  #blockBytes = 0;

  constructor(sink: HeaderSink, limits: Http2Limits) {
    this.#sink = sink;
    this.#maxBlockBytes = limits.maxHeaderBlockBytes;
    this.#maxContinuations = limits.maxContinuationFrames;
  }

  get heldBytes(): number {
    return this.#block.length;
  }

  /** One whole payload of either type. */
  add(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const isComplete = (flags & Flag.endHeaders) !== 0;
    if (type === FrameType.continuation) {
      if (++this.#continuations > this.#maxContinuations) {
        this.#fail("continuation_flood");
        return;
      }
      this.#append(bytes, start, end, isComplete);
      return;
    }
    let padding = 0;
    if ((flags & Flag.padded) !== 0) {
      padding = bytes[start] ?? 0;
      start++;
    }
    let dependsOn = -1;
    if ((flags & Flag.priority) !== 0) {
      if (start + 5 <= end) dependsOn = bytes.readUInt32BE(start) & 0x7fff_ffff;
      start += 5;
    }
    end -= padding;
    if (start > end) {
      this.#sink.onFrameError(ErrorCode.protocolError, "bad_padding");
      return;
    }
    const isEnd = (flags & Flag.endStream) !== 0;
    if (isComplete) {
      if (end - start > this.#maxBlockBytes) {
        this.#fail("header_block_too_large");
        return;
      }
      this.#sink.onHeaderBlock(streamId, isEnd, dependsOn, bytes, start, end);
      return;
    }
    this.streamId = streamId;
    this.#isEnd = isEnd;
    this.#dependsOn = dependsOn;
    this.#continuations = 0;
    this.#append(bytes, start, end, false);
  }

  #append(bytes: Buffer, start: number, end: number, isComplete: boolean): void {
    const total = this.#blockBytes + end - start;
    if (total > this.#maxBlockBytes) {
      this.#fail("header_block_too_large");
      return;
    }
    if (total > this.#block.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(total, this.#block.length * 2), this.#maxBlockBytes));
      this.#block.copy(larger, 0, 0, this.#blockBytes);
      this.#block = larger;
    }
    bytes.copy(this.#block, this.#blockBytes, start, end);
    this.#blockBytes = total;
    if (!isComplete) {
      if (start === end) this.#sink.onEmptyFragment();
      return;
    }
    const { streamId } = this;
    const block = this.#block;
    this.streamId = 0;
    this.#block = empty;
    this.#blockBytes = 0;
    this.#sink.onHeaderBlock(streamId, this.#isEnd, this.#dependsOn, block, 0, total);
  }

  /** Neither can be skipped: the compression state would be lost with the block. */
  #fail(problem: ConnectionProblem): void {
    this.#sink.onFrameError(ErrorCode.enhanceYourCalm, problem);
  }
}
