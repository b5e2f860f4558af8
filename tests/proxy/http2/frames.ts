import { clientPreface, Flag, FrameType } from "../../../proxy/http2/frame-types.ts";
import { putInteger } from "./hpack/random-blocks.ts";

/** Frames written by hand, so that the codec's own writer judges nothing. */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

export const settings = (...pairs: readonly number[]): Buffer => {
  const payload = Buffer.alloc(pairs.length * 3);
  for (let i = 0; i < pairs.length; i += 2) {
    payload.writeUInt16BE(pairs[i] ?? 0, i * 3);
    payload.writeUInt32BE(pairs[i + 1] ?? 0, i * 3 + 2);
  }
  return frame(FrameType.settings, 0, 0, payload);
};
export const settingsAck = (): Buffer => frame(FrameType.settings, Flag.ack, 0);
export const ping = (payload = Buffer.alloc(8)): Buffer => frame(FrameType.ping, 0, 0, payload);
export const windowUpdate = (streamId: number, increment: number): Buffer =>
  frame(FrameType.windowUpdate, 0, streamId, uint32(increment));
export const rstStream = (streamId: number, code = 8): Buffer => frame(FrameType.rstStream, 0, streamId, uint32(code));
export const goaway = (lastStreamId: number, code = 0): Buffer =>
  frame(FrameType.goaway, 0, 0, Buffer.concat([uint32(lastStreamId), uint32(code)]));
export const priority = (streamId: number, dependsOn = 0): Buffer =>
  frame(FrameType.priority, 0, streamId, Buffer.concat([uint32(dependsOn), Buffer.from([16])]));
export const data = (streamId: number, payload: string | Buffer, isEnd = false): Buffer =>
  frame(FrameType.data, isEnd ? Flag.endStream : 0, streamId, Buffer.from(payload));

/** A DATA frame with padding. */
export function paddedData(streamId: number, payload: string, padding: number, isEnd = false): Buffer {
  const body = Buffer.concat([Buffer.from([padding]), Buffer.from(payload), Buffer.alloc(padding)]);
  return frame(FrameType.data, Flag.padded | (isEnd ? Flag.endStream : 0), streamId, body);
}

/** HEADERS with END_HEADERS and the fields as literals. */
export function headers(streamId: number, fields: readonly string[], isEnd = true): Buffer {
  return frame(FrameType.headers, Flag.endHeaders | (isEnd ? Flag.endStream : 0), streamId, literals(fields));
}

export function literals(fields: readonly string[]): Buffer {
  const bytes: number[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    bytes.push(0);
    for (const text of fields.slice(i, i + 2)) {
      putInteger(bytes, 0, 7, text.length);
      bytes.push(...Buffer.from(text, "latin1"));
    }
  }
  return Buffer.from(bytes);
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
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) throw new Error("half a frame was written");
    const streamId = bytes.readUInt32BE(at + 5);
    frames.push({
      type: bytes[at + 3] ?? 0,
      flags: bytes[at + 4] ?? 0,
      streamId,
      payload: bytes.subarray(at + 9, end),
    });
    at = end;
  }
  return frames;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
