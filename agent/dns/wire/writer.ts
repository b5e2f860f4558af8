/**
 * One message written record by record into a buffer that is used again. Names are compressed against those before them
 * (RFC 1035, 4.1.4) unless that is turned off; the name that was asked for is always the one of the question, so that it
 * comes back in the letter case it was asked in.
 */
import { classes, headerBytes, recordTypes } from "./codes.ts";
import { foldCase, labelsOfText } from "./name.ts";
import type { DnsRecord } from "./record.ts";

/** A pointer has 14 bits. */
const maxPointer = 0x3fff;
const maxStringBytes = 255;
/** Longer texts would not fit a record of 64 KB. */
const maxTextBytes = 60_000;
const questionPointer = 0xc000 | headerBytes;

export interface MessageWriter {
  /** Begins anew. The header follows at the end, when the counts are known. */
  begin(question: Uint8Array, isCompressed: boolean): void;
  /** Whether the record was written: it is not, and the message as before, where it would end after `maxBytes`. */
  record(record: DnsRecord, maxBytes: number): boolean;
  /** Takes back what was written after `length()` was `bytes`. */
  rewind(bytes: number): void;
  raw(bytes: Uint8Array): void;
  length(): number;
  /** The message, in memory of its own. */
  finish(header: readonly number[]): Uint8Array;
}

export function createMessageWriter(maxMessageBytes: number): MessageWriter {
  // A record is written before it is known to fit, and the largest has 64 KB.
  const buffer = Buffer.alloc(maxMessageBytes + 0x10000 + 512);
  let offset = headerBytes;
  let isCompressing = true;
  const suffixes = new Map<string, number>();

  const writeName = (name: string): void => {
    const labels = labelsOfText(name) ?? [];
    for (let i = 0; i < labels.length; i++) {
      const suffix = isCompressing ? foldCase(labels.slice(i).join(".")) : "";
      const known = isCompressing ? suffixes.get(suffix) : undefined;
      if (known !== undefined) {
        offset = buffer.writeUInt16BE(0xc000 | known, offset);
        return;
      }
      if (isCompressing && offset <= maxPointer) suffixes.set(suffix, offset);
      const label = labels[i] ?? "";
      buffer[offset] = label.length;
      offset += 1 + buffer.write(label, offset + 1, "latin1");
    }
    buffer[offset++] = 0;
  };
  const writeText = (text: string): void => {
    const bytes = Buffer.from(text, "utf8").subarray(0, maxTextBytes);
    for (let start = 0; start === 0 || start < bytes.length; start += maxStringBytes) {
      const part = bytes.subarray(start, start + maxStringBytes);
      buffer[offset++] = part.length;
      offset += part.copy(buffer, offset);
    }
  };
  const writeData = ({ data }: DnsRecord): void => {
    switch (data.type) {
      case "A":
      case "AAAA":
        buffer.set(data.address, offset);
        offset += data.address.length;
        return;
      case "TXT":
        writeText(data.text);
        return;
      case "SRV":
        offset = buffer.writeUInt16BE(data.priority, offset);
        offset = buffer.writeUInt16BE(data.weight, offset);
        offset = buffer.writeUInt16BE(data.port, offset);
        writeName(data.target);
        return;
      case "SOA": {
        writeName(data.primary);
        writeName(data.mailbox);
        const { serial, refreshS, retryS, expireS, minTtlS } = data.times;
        for (const value of [serial, refreshS, retryS, expireS, minTtlS]) {
          offset = buffer.writeUInt32BE(value >>> 0, offset);
        }
        return;
      }
      case "CNAME":
      case "NS":
      case "PTR":
        writeName(data.target);
    }
  };
  const rewind = (bytes: number): void => {
    offset = bytes;
    for (const [suffix, at] of suffixes) if (at >= bytes) suffixes.delete(suffix);
  };

  return {
    begin(question, isCompressed) {
      offset = headerBytes;
      isCompressing = isCompressed;
      suffixes.clear();
      if (isCompressed && question.length > 0) rememberQuestion(question, suffixes);
      buffer.set(question, offset);
      offset += question.length;
    },
    record(record, maxBytes) {
      const start = offset;
      if (record.owner !== undefined) writeName(record.owner);
      else if (isCompressing) offset = buffer.writeUInt16BE(questionPointer, offset);
      else offset += copyQuestionName(buffer, offset);
      offset = buffer.writeUInt16BE(recordTypes[record.data.type], offset);
      offset = buffer.writeUInt16BE(classes.IN, offset);
      offset = buffer.writeUInt32BE(record.ttlS, offset);
      const lengthAt = offset;
      offset += 2;
      writeData(record);
      buffer.writeUInt16BE(Math.min(offset - lengthAt - 2, 0xffff), lengthAt);
      if (offset <= maxBytes) return true;
      rewind(start);
      return false;
    },
    rewind,
    raw(bytes) {
      buffer.set(bytes, offset);
      offset += bytes.length;
    },
    length: () => offset,
    finish(header) {
      for (const [i, value] of header.entries()) buffer.writeUInt16BE(value, i * 2);
      return Uint8Array.prototype.slice.call(buffer, 0, offset);
    },
  };
}

/** So that other names of the same zone point into it. */
function rememberQuestion(question: Uint8Array, suffixes: Map<string, number>): void {
  const labels: string[] = [];
  const starts: number[] = [];
  let at = 0;
  for (let size = question[at] ?? 0; size > 0; size = question[at] ?? 0) {
    starts.push(at);
    labels.push(Buffer.from(question.buffer, question.byteOffset + at + 1, size).toString("latin1"));
    at += size + 1;
  }
  let suffix = "";
  for (let i = labels.length - 1; i >= 0; i--) {
    const label = foldCase(labels[i] ?? "");
    // A label with a dot in it would look like two.
    if (label.includes(".")) return;
    suffix = suffix === "" ? label : `${label}.${suffix}`;
    suffixes.set(suffix, headerBytes + (starts[i] ?? 0));
  }
}

function copyQuestionName(buffer: Buffer, target: number): number {
  let end = headerBytes;
  for (let size = buffer[end] ?? 0; size > 0; size = buffer[end] ?? 0) end += size + 1;
  buffer.copy(buffer, target, headerBytes, end + 1);
  return end + 1 - headerBytes;
}
