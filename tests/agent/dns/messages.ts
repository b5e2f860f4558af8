/** DNS messages for tests: queries are written by hand, answers are read strictly and by code of its own. */
export interface TestQuery {
  readonly name: string;
  readonly type: number;
  readonly id?: number;
  readonly flags?: number;
  readonly recordClass?: number;
  /** The UDP size of an OPT record; absent for none. */
  readonly ednsBytes?: number;
  readonly ednsVersion?: number;
  /** Options of the OPT record. */
  readonly options?: Buffer;
}

export const types = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  AXFR: 252,
  ANY: 255,
};

export function wireName(name: string): Buffer {
  const labels = name === "" ? [] : name.split(".");
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, "latin1")])),
    Buffer.of(0),
  ]);
}

export function writeQuery(query: TestQuery): Buffer {
  const { ednsBytes, options = Buffer.alloc(0) } = query;
  const header = uint16s(query.id ?? 0x1234, query.flags ?? 0x0100, 1, 0, 0, ednsBytes === undefined ? 0 : 1);
  const question = Buffer.concat([wireName(query.name), uint16s(query.type, query.recordClass ?? 1)]);
  if (ednsBytes === undefined) return Buffer.concat([header, question]);
  const opt = [
    Buffer.of(0),
    uint16s(types.OPT, ednsBytes),
    Buffer.of(0, query.ednsVersion ?? 0, 0, 0),
    uint16s(options.length),
    options,
  ];
  return Buffer.concat([header, question, ...opt]);
}

export function uint16s(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [i, value] of values.entries()) bytes.writeUInt16BE(value, i * 2);
  return bytes;
}

export interface TestRecord {
  readonly name: string;
  readonly type: number;
  readonly recordClass: number;
  readonly ttl: number;
  /** Names, numbers and addresses as text; of OPT its options as hex. */
  readonly data: string;
}

export interface TestMessage {
  readonly id: number;
  readonly flags: number;
  readonly rcode: number;
  readonly isAuthoritative: boolean;
  readonly isTruncated: boolean;
  readonly isRecursionAvailable: boolean;
  readonly question: string;
  readonly answers: readonly TestRecord[];
  readonly authority: readonly TestRecord[];
  readonly additional: readonly TestRecord[];
  readonly opt: TestRecord | undefined;
}

/** Throws for anything that is not exactly one well-formed message. */
export function readMessage(bytes: Uint8Array): TestMessage {
  const packet = Buffer.from(bytes);
  let offset = 12;
  const name = (): string => {
    const labels: string[] = [];
    let at = offset;
    let end: number | undefined;
    for (let steps = 0; ; steps++) {
      if (steps > 130) throw new Error("a name without an end");
      const size = packet.readUInt8(at);
      if (size >= 0xc0) {
        const target = packet.readUInt16BE(at) & 0x3fff;
        if (target >= at) throw new Error("a pointer that leads forward");
        end ??= at + 2;
        at = target;
        continue;
      }
      if (size > 63) throw new Error("a label with a wrong length");
      if (size === 0) break;
      if (at + 1 + size > packet.length) throw new Error("a label beyond the end");
      labels.push(packet.toString("latin1", at + 1, at + 1 + size));
      at += size + 1;
    }
    offset = end ?? at + 1;
    return labels.join(".");
  };
  const number = (): number => {
    offset += 2;
    return packet.readUInt16BE(offset - 2);
  };
  const record = (): TestRecord => {
    const owner = name();
    const type = number();
    const recordClass = number();
    const ttl = packet.readUInt32BE(offset);
    offset += 4;
    const end = number() + offset;
    if (end > packet.length) throw new Error("a record beyond the end");
    const data = ((): string => {
      if (type === types.A) return packet.subarray(offset, end).join(".");
      if (type === types.SRV) return `${number()} ${number()} ${number()} ${name()}`;
      if (type === types.SOA) return `${name()} ${name()}`;
      if (type === types.CNAME || type === types.PTR || type === types.NS) return name();
      if (type === types.TXT)
        return packet.toString("utf8", offset + 1, Math.min(offset + 1 + packet.readUInt8(offset), end));
      return packet.toString("hex", offset, end);
    })();
    if (offset > end) throw new Error("a record longer than it says");
    offset = end;
    return { name: owner, type, recordClass, ttl, data };
  };
  const flags = packet.readUInt16BE(2);
  const [questions, answers, authority, additional] = [4, 6, 8, 10].map((at) => packet.readUInt16BE(at));
  let question = "";
  if (questions === 1) {
    question = name();
    offset += 4;
  } else if (questions !== 0) throw new Error(`${questions} questions`);
  const records = (count: number | undefined): TestRecord[] => Array.from({ length: count ?? 0 }, record);
  const message = { answers: records(answers), authority: records(authority), additional: records(additional) };
  if (offset !== packet.length) throw new Error(`${packet.length - offset} bytes behind the message`);
  return {
    id: packet.readUInt16BE(0),
    flags,
    rcode: flags & 0x0f,
    isAuthoritative: (flags & 0x0400) !== 0,
    isTruncated: (flags & 0x0200) !== 0,
    isRecursionAvailable: (flags & 0x0080) !== 0,
    question,
    ...message,
    additional: message.additional.filter(({ type }) => type !== types.OPT),
    opt: message.additional.find(({ type }) => type === types.OPT),
  };
}
