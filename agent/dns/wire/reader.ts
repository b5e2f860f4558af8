/** The answer section of what a resolver sent, as far as addresses and aliases go. */
import { flagBits, headerBytes, recordTypes } from "./codes.ts";
import { foldCase, readName } from "./name.ts";
import type { DnsRecord } from "./record.ts";

export interface ReadAnswer {
  readonly rcode: number;
  readonly isTruncated: boolean;
  /** Addresses and aliases in their order; each with its owner. */
  readonly records: readonly DnsRecord[];
}

/** Records of one answer that are looked at. */
const maxRecords = 256;

/** Undefined for what is no answer. What is cut off in the middle ends before that. */
export function readAnswer(packet: Buffer): ReadAnswer | undefined {
  if (packet.length < headerBytes) return undefined;
  const flags = packet.readUInt16BE(2);
  if ((flags & flagBits.response) === 0) return undefined;
  const records: DnsRecord[] = [];
  let offset = endOfQuestions(packet);
  const count = Math.min(packet.readUInt16BE(6), maxRecords);
  for (let i = 0; i < count && offset !== undefined; i++) {
    const read = readRecord(packet, offset);
    if (read?.record !== undefined) records.push(read.record);
    offset = read?.end;
  }
  return { rcode: flags & 0x0f, isTruncated: (flags & flagBits.truncated) !== 0, records };
}

/** Whether `answer` belongs to `query`: the same id, and the same question but for letter case. */
export function isAnswerTo(answer: Buffer, query: Buffer): boolean {
  if (answer.length < headerBytes || answer.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  if ((answer.readUInt16BE(2) & flagBits.response) === 0) return false;
  // Resolvers that cannot read a query send a bare header back.
  if (answer.readUInt16BE(4) === 0) return answer.length === headerBytes;
  const end = endOfQuestions(query);
  if (end === undefined || end > answer.length) return false;
  return foldCase(answer.toString("latin1", headerBytes, end)) === foldCase(query.toString("latin1", headerBytes, end));
}

function endOfQuestions(packet: Buffer): number | undefined {
  const count = packet.readUInt16BE(4);
  if (count === 0) return headerBytes;
  const name = count === 1 ? readName(packet, headerBytes) : undefined;
  return name === undefined || name.end + 4 > packet.length ? undefined : name.end + 4;
}

function readRecord(packet: Buffer, start: number): { record?: DnsRecord; end: number } | undefined {
  const name = readName(packet, start);
  if (name === undefined || name.end + 10 > packet.length) return undefined;
  const dataStart = name.end + 10;
  const end = dataStart + packet.readUInt16BE(name.end + 8);
  if (end > packet.length) return undefined;
  const owner = nameText(name.labels);
  const data =
    owner === undefined ? undefined : readData(packet, { type: packet.readUInt16BE(name.end), dataStart, end });
  if (owner === undefined || data === undefined) return { end };
  // A TTL with its highest bit set counts as 0 (RFC 2181, 8).
  const ttlS = Math.max(packet.readInt32BE(name.end + 4), 0);
  return { record: { owner, ttlS, data }, end };
}

function readData(
  packet: Buffer,
  { type, dataStart, end }: { readonly type: number; readonly dataStart: number; readonly end: number },
): DnsRecord["data"] | undefined {
  const length = end - dataStart;
  if (type === recordTypes.A && length === 4)
    return { type: "A", address: Uint8Array.from(packet.subarray(dataStart, end)) };
  if (type === recordTypes.AAAA && length === 16) {
    return { type: "AAAA", address: Uint8Array.from(packet.subarray(dataStart, end)) };
  }
  if (type !== recordTypes.CNAME) return undefined;
  const target = readName(packet, dataStart);
  const text = target === undefined || target.end > end ? undefined : nameText(target.labels);
  return text === undefined ? undefined : { type: "CNAME", target: text };
}

/** Undefined for a name whose text would be that of another. */
function nameText(labels: readonly string[]): string | undefined {
  return labels.some((label) => label.includes(".")) ? undefined : labels.join(".");
}
