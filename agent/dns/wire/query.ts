/**
 * A query as it comes from the network. Whatever the bytes are, the outcome is a question, a refusal that can be answered,
 * or silence: there is no answer to an answer, and none to what has no whole header.
 */
import { classes, flagBits, headerBytes, type Rcode, rcodes, recordTypes } from "./codes.ts";
import { endOfPlainName, foldCase, readName } from "./name.ts";

export interface Query {
  readonly id: number;
  /** As sent; what of it an answer repeats is the writer's business. */
  readonly flags: number;
  /** In lower case, without the root. */
  readonly labels: readonly string[];
  readonly type: number;
  /** The question as it was sent, letter case included, since some resolvers prove themselves by it. */
  readonly question: Uint8Array;
  readonly edns?: QueryEdns;
}

/** The OPT record of a query (RFC 6891). */
export interface QueryEdns {
  readonly udpSizeBytes: number;
  readonly clientSubnet?: ClientSubnet;
}

/** For whom a resolver asks (RFC 7871). */
export interface ClientSubnet {
  /** 1 for IPv4, 2 for IPv6. */
  readonly family: number;
  readonly sourcePrefix: number;
  readonly address: Uint8Array;
}

export type QueryRead =
  | { readonly kind: "query"; readonly query: Query }
  | { readonly kind: "refused"; readonly rcode: Rcode; readonly query: RefusedQuery }
  | { readonly kind: "ignored" };

/** As much of it as an answer needs. */
export type RefusedQuery = Pick<Query, "id" | "flags" | "question" | "edns">;

/** More records beside the question (OPT, a signature) than any client sends. */
const maxAdditional = 8;
const clientSubnetOption = 8;
const noQuestion = new Uint8Array(0);

export function readQuery(packet: Uint8Array): QueryRead {
  if (packet.length < headerBytes) return { kind: "ignored" };
  const id = uint16(packet, 0);
  const flags = uint16(packet, 2);
  if ((flags & flagBits.response) !== 0) return { kind: "ignored" };
  const bare = { id, flags, question: noQuestion };
  if ((flags & flagBits.opcode) !== 0) return { kind: "refused", rcode: rcodes.notImplemented, query: bare };
  const hasOneQuestion = uint16(packet, 4) === 1 && uint16(packet, 6) === 0;
  const nameEnd = endOfPlainName(packet, headerBytes);
  if (!hasOneQuestion || nameEnd === undefined || nameEnd + 4 > packet.length) {
    return { kind: "refused", rcode: rcodes.formatError, query: bare };
  }
  const question = packet.slice(headerBytes, nameEnd + 4);
  const type = uint16(packet, nameEnd);
  const asked = { id, flags, question };
  // Its records of the zone are no use, and it is refused anyway.
  const isTransfer = type === recordTypes.AXFR || type === recordTypes.IXFR;
  if (isTransfer) return { kind: "refused", rcode: rcodes.notImplemented, query: asked };
  const edns = uint16(packet, 8) === 0 ? readAdditional(packet, nameEnd + 4) : "malformed";
  if (edns === "malformed") return { kind: "refused", rcode: rcodes.formatError, query: asked };
  const withEdns = edns === undefined ? asked : { ...asked, edns };
  if (edns !== undefined && edns.version !== 0) return { kind: "refused", rcode: rcodes.badVersion, query: withEdns };
  const recordClass = uint16(packet, nameEnd + 2);
  if (recordClass !== classes.IN && recordClass !== classes.ANY) {
    return { kind: "refused", rcode: rcodes.refused, query: withEdns };
  }
  const labels = readName(packet, headerBytes)?.labels ?? [];
  return { kind: "query", query: { ...withEdns, labels: labels.map(foldCase), type } };
}

type EdnsRead = QueryEdns & { readonly version: number };

/** The one OPT record among the additional ones; the others are passed over. */
function readAdditional(packet: Uint8Array, start: number): EdnsRead | undefined | "malformed" {
  const count = uint16(packet, 10);
  if (count > maxAdditional) return "malformed";
  let offset = start;
  let edns: EdnsRead | undefined;
  for (let i = 0; i < count; i++) {
    const name = readName(packet, offset);
    if (name === undefined || name.end + 10 > packet.length) return "malformed";
    const dataStart = name.end + 10;
    offset = dataStart + uint16(packet, name.end + 8);
    if (offset > packet.length) return "malformed";
    if (uint16(packet, name.end) !== recordTypes.OPT) continue;
    if (edns !== undefined || name.labels.length > 0) return "malformed";
    const subnet = readClientSubnet(packet.subarray(dataStart, offset));
    if (subnet === "malformed") return "malformed";
    edns = {
      udpSizeBytes: uint16(packet, name.end + 2),
      version: packet[name.end + 5] ?? 0,
      ...(subnet !== undefined && { clientSubnet: subnet }),
    };
  }
  return edns;
}

function readClientSubnet(options: Uint8Array): ClientSubnet | undefined | "malformed" {
  let offset = 0;
  while (offset < options.length) {
    if (offset + 4 > options.length) return "malformed";
    const end = offset + 4 + uint16(options, offset + 2);
    if (end > options.length) return "malformed";
    if (uint16(options, offset) === clientSubnetOption) return decodeSubnet(options.subarray(offset + 4, end));
    offset = end;
  }
  return undefined;
}

/** The address has exactly as many bytes as the prefix needs, and no bit behind it (RFC 7871, 6). */
function decodeSubnet(data: Uint8Array): ClientSubnet | "malformed" {
  if (data.length < 4) return "malformed";
  const family = uint16(data, 0);
  const sourcePrefix = data[2] ?? 0;
  const address = data.slice(4);
  const isAsLong = address.length === Math.ceil(sourcePrefix / 8);
  const maxPrefix = family === 1 ? 32 : family === 2 ? 128 : 0;
  const spareBits = (8 - (sourcePrefix % 8)) % 8;
  const last = address.at(-1) ?? 0;
  if (!isAsLong || sourcePrefix > maxPrefix || (last & ((1 << spareBits) - 1)) !== 0) return "malformed";
  return { family, sourcePrefix, address };
}

function uint16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}
