import { Flag, FrameType, frameHeaderBytes } from "./frame-types.ts";
import type { OutputBuffer } from "./output-buffer.ts";

/** Writes frames (RFC 9113 section 4.1) into an {@link OutputBuffer}. Callers keep lengths inside the peer's limits. */

/** Reserves the whole frame and writes its header; the payload is the caller's to write. */
export function writeFrameHeader(
  out: OutputBuffer,
  frame: { readonly length: number; readonly type: number; readonly flags: number; readonly streamId: number },
): void {
  out.begin(frameHeaderBytes + frame.length);
  patchFrameHeader(out, out.length, frame.length, frame.type, frame.flags, frame.streamId);
  out.length += frameHeaderBytes;
}

function patchFrameHeader(
  out: OutputBuffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  const { bytes } = out;
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  bytes[at + 5] = streamId >>> 24;
  bytes[at + 6] = streamId >>> 16;
  bytes[at + 7] = streamId >>> 8;
  bytes[at + 8] = streamId;
}

export function writeData(
  out: OutputBuffer,
  streamId: number,
  payload: Buffer,
  start: number,
  end: number,
  isEnd: boolean,
): void {
  const length = end - start;
  out.begin(frameHeaderBytes + length);
  patchFrameHeader(out, out.length, length, FrameType.data, isEnd ? Flag.endStream : 0, streamId);
  const at = out.length + frameHeaderBytes;
  if (length > 0) payload.copy(out.bytes, at, start, end);
  out.length = at + length;
}

/** Nearly all header blocks are shorter; what a longer one needs is found while it is written. */
const usualBlockBytes = 1024;

/** Leaves room for a HEADERS frame's header; returns where, for {@link endHeaders}. */
export function beginHeaders(out: OutputBuffer): number {
  out.begin(frameHeaderBytes + usualBlockBytes);
  const at = out.length;
  out.length += frameHeaderBytes;
  return at;
}

/** The block has been written behind `headerAt`; cuts it into HEADERS and CONTINUATION frames where it is too long. */
export function endHeaders(
  out: OutputBuffer,
  headerAt: number,
  streamId: number,
  isEnd: boolean,
  maxFrameBytes: number,
): void {
  const blockBytes = out.length - headerAt - frameHeaderBytes;
  const endStream = isEnd ? Flag.endStream : 0;
  if (blockBytes <= maxFrameBytes) {
    patchFrameHeader(out, headerAt, blockBytes, FrameType.headers, endStream | Flag.endHeaders, streamId);
    return;
  }
  const block = Buffer.from(out.bytes.subarray(headerAt + frameHeaderBytes, out.length));
  out.length = headerAt;
  for (let at = 0; at < blockBytes; at += maxFrameBytes) {
    const end = Math.min(at + maxFrameBytes, blockBytes);
    const type = at === 0 ? FrameType.headers : FrameType.continuation;
    const flags = (at === 0 ? endStream : 0) | (end === blockBytes ? Flag.endHeaders : 0);
    writeFrameHeader(out, { length: end - at, type, flags, streamId });
    out.append(block.subarray(at, end));
  }
}

export function writeRstStream(out: OutputBuffer, streamId: number, code: number): void {
  writeFrameHeader(out, { length: 4, type: FrameType.rstStream, flags: 0, streamId });
  writeUint32(out, code);
}

export function writeWindowUpdate(out: OutputBuffer, streamId: number, increment: number): void {
  writeFrameHeader(out, { length: 4, type: FrameType.windowUpdate, flags: 0, streamId });
  writeUint32(out, increment);
}

export function writeGoaway(out: OutputBuffer, lastStreamId: number, code: number): void {
  writeFrameHeader(out, { length: 8, type: FrameType.goaway, flags: 0, streamId: 0 });
  writeUint32(out, lastStreamId);
  writeUint32(out, code);
}

/** `payload[start, start + 8)` is the opaque data. */
export function writePing(out: OutputBuffer, payload: Uint8Array, start: number, isAck: boolean): void {
  writeFrameHeader(out, { length: 8, type: FrameType.ping, flags: isAck ? Flag.ack : 0, streamId: 0 });
  for (let i = 0; i < 8; i++) out.bytes[out.length++] = payload[start + i] ?? 0;
}

/** Identifier and value, alternating. */
export function writeSettings(out: OutputBuffer, settings: readonly number[]): void {
  writeFrameHeader(out, { length: settings.length * 3, type: FrameType.settings, flags: 0, streamId: 0 });
  for (let i = 0; i < settings.length; i += 2) {
    out.bytes[out.length++] = (settings[i] ?? 0) >>> 8;
    out.bytes[out.length++] = settings[i] ?? 0;
    writeUint32(out, settings[i + 1] ?? 0);
  }
}

export function writeSettingsAck(out: OutputBuffer): void {
  writeFrameHeader(out, { length: 0, type: FrameType.settings, flags: Flag.ack, streamId: 0 });
}

function writeUint32(out: OutputBuffer, value: number): void {
  const { bytes } = out;
  bytes[out.length++] = value >>> 24;
  bytes[out.length++] = value >>> 16;
  bytes[out.length++] = value >>> 8;
  bytes[out.length++] = value;
}
