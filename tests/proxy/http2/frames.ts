import { clientPreface, Flag, FrameType } from "../../../proxy/http2/frame-types.ts";
import { putInteger } from "./hpack/random-blocks.ts";

/** Frames written by hand, so that the codec's own writer judges nothing. */
export function frame(type: number, flags: number, streamId: number, payload: ArrayLike<number> = none): Buffer {
  const result = emptyFrame(type, flags, streamId, payload.length);
  result.set(payload, headerBytes);
  return result;
}

const headerBytes = 9;
const none: readonly number[] = [];

/** A frame whose payload, of this length, is all zeros. */
function emptyFrame(type: number, flags: number, streamId: number, length: number): Buffer {
  const result = Buffer.alloc(headerBytes + length);
  result[0] = length >>> 16;
  result[1] = length >>> 8;
  result[2] = length;
  result[3] = type;
  result[4] = flags;
  result.writeUInt32BE(streamId, 5);
  return result;
}

export function settings(...pairs: readonly number[]): Buffer {
  const result = emptyFrame(FrameType.settings, 0, 0, pairs.length * 3);
  for (let i = 0; i < pairs.length; i += 2) {
    result.writeUInt16BE(pairs[i] ?? 0, headerBytes + i * 3);
    result.writeUInt32BE(pairs[i + 1] ?? 0, headerBytes + i * 3 + 2);
  }
  return result;
}
export const settingsAck = (): Buffer => frame(FrameType.settings, Flag.ack, 0);
export const ping = (payload = Buffer.alloc(8)): Buffer => frame(FrameType.ping, 0, 0, payload);
export const windowUpdate = (streamId: number, increment: number): Buffer =>
  numbers(FrameType.windowUpdate, streamId, increment);
export const rstStream = (streamId: number, code = 8): Buffer => numbers(FrameType.rstStream, streamId, code);
export const goaway = (lastStreamId: number, code = 0): Buffer => numbers(FrameType.goaway, 0, lastStreamId, code);
export function priority(streamId: number, dependsOn = 0): Buffer {
  const result = emptyFrame(FrameType.priority, 0, streamId, 5);
  result.writeUInt32BE(dependsOn, headerBytes);
  result[headerBytes + 4] = 16;
  return result;
}
export const data = (streamId: number, payload: string | Buffer, isEnd = false): Buffer =>
  frame(
    FrameType.data,
    isEnd ? Flag.endStream : 0,
    streamId,
    typeof payload === "string" ? Buffer.from(payload) : payload,
  );

/** A DATA frame with padding. */
export function paddedData(streamId: number, payload: string, padding: number, isEnd = false): Buffer {
  const body = Buffer.from(payload);
  const flags = Flag.padded | (isEnd ? Flag.endStream : 0);
  const result = emptyFrame(FrameType.data, flags, streamId, 1 + body.length + padding);
  result[headerBytes] = padding;
  result.set(body, headerBytes + 1);
  return result;
}

/** HEADERS with END_HEADERS and the fields as literals. */
export function headers(streamId: number, fields: readonly string[], isEnd = true): Buffer {
  return frame(FrameType.headers, Flag.endHeaders | (isEnd ? Flag.endStream : 0), streamId, literalBytes(fields));
}

export function literals(fields: readonly string[]): Buffer {
  return Buffer.from(literalBytes(fields));
}

/** Fields that are not to be indexed, names and values as they are. */
function literalBytes(fields: readonly string[]): number[] {
  const bytes: number[] = [];
  for (let i = 0; i < fields.length; i++) {
    const text = fields[i] ?? "";
    if (i % 2 === 0) bytes.push(0);
    putInteger(bytes, 0, 7, text.length);
    for (let at = 0; at < text.length; at++) bytes.push(text.charCodeAt(at));
  }
  return bytes;
}

export const getFields = [":method", "GET", ":scheme", "http", ":authority", "web", ":path", "/"];
export const postFields = [":method", "POST", ":scheme", "http", ":authority", "web", ":path", "/"];
export const get = (streamId: number): Buffer => headers(streamId, getFields);
export const post = (streamId: number, ...more: string[]): Buffer => headers(streamId, [...postFields, ...more], false);
/** What a client says first, with settings that change nothing. */
export const hello = (): Buffer => Buffer.concat([clientPreface, settings()]);

export interface SentFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** Cuts whole frames out of what a connection has written. */
export function framesIn(bytes: Buffer): SentFrame[] {
  const frames: SentFrame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = endOfFrame(bytes, at);
    const streamId = bytes.readUInt32BE(at + 5);
    frames.push({
      type: bytes[at + 3] ?? 0,
      flags: bytes[at + 4] ?? 0,
      streamId,
      payload: bytes.subarray(at + headerBytes, end),
    });
    at = end;
  }
  return frames;
}

/** Throws unless `bytes` from `at` on are whole frames. */
export function mustBeFrames(bytes: Buffer, at: number): void {
  while (at < bytes.length) at = endOfFrame(bytes, at);
}

function endOfFrame(bytes: Buffer, at: number): number {
  const end = at + headerBytes + bytes.readUIntBE(at, 3);
  if (end > bytes.length) throw new Error("half a frame was written");
  return end;
}

/** A frame whose payload is numbers of four bytes. */
function numbers(type: number, streamId: number, ...values: readonly number[]): Buffer {
  const result = emptyFrame(type, 0, streamId, values.length * 4);
  for (const [i, value] of values.entries()) result.writeUInt32BE(value, headerBytes + i * 4);
  return result;
}
