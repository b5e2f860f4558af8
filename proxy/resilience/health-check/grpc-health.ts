/**
 * The two messages of `grpc.health.v1.Health/Check`, each in the frame of gRPC: a byte that says that it is not compressed and four with
 * its length.
 */
const frameHeaderBytes = 5;
const serviceTag = 0x0a;
const statusTag = 0x08;
const serving = 1;
const maxVarintBytes = 10;

export const grpcHealthPath = "/grpc.health.v1.Health/Check";

/** Asks about `service`; empty is the server as a whole. At most 2^14 - 1 bytes of UTF-8. */
export function encodeHealthRequest(service: string): Buffer {
  const name = Buffer.from(service, "utf8");
  const length = name.length < 0x80 ? [name.length] : [(name.length & 0x7f) | 0x80, name.length >> 7];
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([serviceTag, ...length]), name]);
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

/** Whether the answer is exactly one message that says SERVING. Other fields than the status are of versions to come. */
export function isServing(body: Buffer): boolean {
  if (body.length < frameHeaderBytes || body[0] !== 0) return false;
  const end = frameHeaderBytes + body.readUInt32BE(1);
  if (end !== body.length) return false;
  let status = 0;
  let at = frameHeaderBytes;
  while (at < end) {
    const tag = readVarint(body, at, end);
    if (tag === undefined) return false;
    const field = readVarint(body, tag.next, end);
    if (field === undefined) return false;
    if (tag.value === statusTag) status = field.value;
    const wireType = tag.value & 7;
    if (wireType === 0) at = field.next;
    else if (wireType === 2) at = field.next + field.value;
    else return false;
  }
  return at === end && status === serving;
}

/** Beyond 53 bits only how long it is can be relied on. */
function readVarint(
  body: Buffer,
  start: number,
  end: number,
): { readonly value: number; readonly next: number } | undefined {
  let value = 0;
  for (let at = start; at < Math.min(end, start + maxVarintBytes); at++) {
    const byte = body[at] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * (at - start));
    if (byte < 0x80) return { value, next: at + 1 };
  }
  return undefined;
}
