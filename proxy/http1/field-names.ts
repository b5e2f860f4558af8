/** The field names that framing, forwarding or security look at; every other field is passed on unread. */
export const Field = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  keepAlive: 5,
  proxyConnection: 6,
  te: 7,
  upgrade: 8,
  expect: 9,
  forwardedClientCert: 10,
} as const;
export type FieldId = (typeof Field)[keyof typeof Field];

const known: readonly (readonly [string, FieldId])[] = [
  ["host", Field.host],
  ["content-length", Field.contentLength],
  ["transfer-encoding", Field.transferEncoding],
  ["connection", Field.connection],
  ["keep-alive", Field.keepAlive],
  ["proxy-connection", Field.proxyConnection],
  ["te", Field.te],
  ["upgrade", Field.upgrade],
  ["expect", Field.expect],
  ["x-forwarded-client-cert", Field.forwardedClientCert],
];

const longest = Math.max(...known.map(([name]) => name.length));
/** Known names by their length, so that most fields are told apart by length alone. */
const byLength = Array.from({ length: longest + 1 }, (_, length) =>
  known.filter(([name]) => name.length === length).map(([name, id]) => ({ bytes: Buffer.from(name, "latin1"), id })),
);

/** Which known field `bytes[start, end)` names, whatever its case. */
export function fieldOf(bytes: Uint8Array, start: number, end: number): FieldId {
  const length = end - start;
  if (length > longest) return Field.other;
  const candidates = byLength[length];
  if (candidates === undefined) return Field.other;
  for (const candidate of candidates) {
    let i = 0;
    while (i < length && ((bytes[start + i] ?? 0) | 0x20) === candidate.bytes[i]) i++;
    if (i === length) return candidate.id;
  }
  return Field.other;
}
