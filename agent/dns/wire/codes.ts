/** Numbers of the DNS protocol (RFC 1035, 3596, 2782, 6891) that the agent acts on. */
export const recordTypes = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

export const rcodes = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
  /** Needs the upper bits that only an OPT record has. */
  badVersion: 16,
} as const;
export type Rcode = (typeof rcodes)[keyof typeof rcodes];

export const classes = { IN: 1, ANY: 255 } as const;

export const headerBytes = 12;
/** Bits of the second 16 bits of a header. */
export const flagBits = {
  response: 0x8000,
  opcode: 0x7800,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  checkingDisabled: 0x0010,
} as const;

/** A name is at most 255 bytes with its length bytes and the root, a label at most 63 (RFC 1035, 2.3.4). */
export const maxNameBytes = 255;
export const maxLabelBytes = 63;
