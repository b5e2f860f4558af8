/**
 * An answer as bytes, never longer than allowed. Where not everything fits, answers go from the end, each with the records
 * that belong to it, so that a client which takes what is left can use all of it.
 */
import type { AnswerLimits } from "./answer-size.ts";
import { flagBits, type Rcode } from "./wire/codes.ts";
import { foldCase } from "./wire/name.ts";
import type { ClientSubnet, QueryEdns, RefusedQuery } from "./wire/query.ts";
import type { DnsRecord, Sections } from "./wire/record.ts";
import type { MessageWriter } from "./wire/writer.ts";

export interface Answer {
  readonly rcode: Rcode;
  readonly sections: Sections;
  /** Whether it is about a name of ours. */
  readonly isAuthoritative: boolean;
  /** Whether it is for the client's network only (RFC 7871): what came of a prepared query. */
  readonly isForSubnet?: boolean;
}

export interface MessageOptions {
  readonly isRecursive: boolean;
  readonly isCompressed: boolean;
  readonly limits: AnswerLimits;
}

const optType = 41;
const clientSubnetOption = 8;

export function encodeAnswer(
  writer: MessageWriter,
  query: RefusedQuery,
  answer: Answer,
  options: MessageOptions,
): Uint8Array {
  const { sections } = answer;
  const { limits } = options;
  const opt = query.edns === undefined ? undefined : encodeOpt(query.edns, answer);
  const maxBytes = limits.maxBytes - (opt?.length ?? 0);
  const writing: Writing = { writer, query, sections, maxBytes, isCompressed: options.isCompressed };
  const most = Math.min(sections.answers.length, limits.maxAnswers);
  const written = writeSections(writing, most) ?? writeFewer(writing, most);
  if (opt !== undefined) writer.raw(opt);
  const isCut = written.answers < sections.answers.length;
  return writer.finish([
    query.id,
    headerFlags(query, answer, { isRecursive: options.isRecursive, isTruncated: isCut && limits.isCutShown }),
    query.question.length === 0 ? 0 : 1,
    written.answers,
    written.authority,
    written.additional + (opt === undefined ? 0 : 1),
  ]);
}

interface Writing {
  readonly writer: MessageWriter;
  readonly query: RefusedQuery;
  readonly sections: Sections;
  readonly maxBytes: number;
  readonly isCompressed: boolean;
}

interface Written {
  readonly answers: number;
  readonly authority: number;
  readonly additional: number;
}

/** With the first `count` answers and what belongs to them; undefined when that is too long. */
function writeSections(
  { writer, query, sections, maxBytes, isCompressed }: Writing,
  count: number,
): Written | undefined {
  writer.begin(query.question, isCompressed);
  const isAll = count === sections.answers.length;
  const answers = isAll ? sections.answers : sections.answers.slice(0, count);
  const additional = isAll ? sections.additional : belongingTo(answers, sections.additional);
  for (const record of answers) if (!writer.record(record, maxBytes)) return undefined;
  for (const record of sections.authority) if (!writer.record(record, maxBytes)) return undefined;
  for (const record of additional) if (!writer.record(record, maxBytes)) return undefined;
  return { answers: count, authority: sections.authority.length, additional: additional.length };
}

/** The largest number of answers that fits, found by halving; at the least the bare question. */
function writeFewer(writing: Writing, tooMany: number): Written {
  let fits = 0;
  let exceeds = tooMany;
  while (exceeds - fits > 1) {
    const middle = (fits + exceeds) >> 1;
    if (writeSections(writing, middle) === undefined) exceeds = middle;
    else fits = middle;
  }
  if (fits > 0) return writeSections(writing, fits) ?? { answers: 0, authority: 0, additional: 0 };
  return writeWhatFits(writing);
}

/** One answer alone is better than none, even without what belongs to it. */
function writeWhatFits({ writer, query, sections, maxBytes, isCompressed }: Writing): Written {
  writer.begin(query.question, isCompressed);
  const [first] = sections.answers;
  const answers = first !== undefined && writer.record(first, maxBytes) ? 1 : 0;
  let authority = 0;
  for (const record of sections.authority) if (writer.record(record, maxBytes)) authority++;
  return { answers, authority, additional: 0 };
}

function belongingTo(answers: readonly DnsRecord[], additional: readonly DnsRecord[]): readonly DnsRecord[] {
  const targets = new Set<string>();
  for (const { data } of answers) if ("target" in data) targets.add(foldCase(data.target));
  return additional.filter((record) => record.owner === undefined || targets.has(foldCase(record.owner)));
}

function headerFlags(
  query: RefusedQuery,
  answer: Answer,
  { isRecursive, isTruncated }: { readonly isRecursive: boolean; readonly isTruncated: boolean },
): number {
  return (
    flagBits.response |
    (query.flags & (flagBits.opcode | flagBits.recursionDesired | flagBits.checkingDisabled)) |
    (answer.isAuthoritative ? flagBits.authoritative : 0) |
    (isTruncated ? flagBits.truncated : 0) |
    (isRecursive ? flagBits.recursionAvailable : 0) |
    (answer.rcode & 0x0f)
  );
}

/** The size that the client named, as Consul answers it, and the subnet, so that the client knows it was seen. */
function encodeOpt(edns: QueryEdns, answer: Answer): Uint8Array {
  const options = edns.clientSubnet === undefined ? Buffer.alloc(0) : encodeSubnet(edns.clientSubnet, answer);
  const opt = Buffer.alloc(11 + options.length);
  opt.writeUInt16BE(optType, 1);
  opt.writeUInt16BE(Math.max(edns.udpSizeBytes, 512), 3);
  opt[5] = answer.rcode >> 4;
  opt.writeUInt16BE(options.length, 9);
  options.copy(opt, 11);
  return opt;
}

function encodeSubnet(subnet: ClientSubnet, answer: Answer): Buffer {
  const option = Buffer.alloc(8 + subnet.address.length);
  option.writeUInt16BE(clientSubnetOption, 0);
  option.writeUInt16BE(4 + subnet.address.length, 2);
  option.writeUInt16BE(subnet.family, 4);
  option[6] = subnet.sourcePrefix;
  option[7] = answer.isForSubnet === true ? subnet.sourcePrefix : 0;
  option.set(subnet.address, 8);
  return option;
}
