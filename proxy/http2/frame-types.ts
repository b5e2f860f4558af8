/** Frame types and flags of RFC 9113 section 6. */
export const FrameType = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

export const Flag = {
  /** DATA, HEADERS. */
  endStream: 0x1,
  /** SETTINGS, PING. */
  ack: 0x1,
  /** HEADERS, CONTINUATION. */
  endHeaders: 0x4,
  /** DATA, HEADERS. */
  padded: 0x8,
  /** HEADERS. */
  priority: 0x20,
} as const;

export const Setting = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
  /** RFC 8441. */
  enableConnectProtocol: 0x8,
} as const;

export const frameHeaderBytes = 9;
export const defaultWindowBytes = 65_535;
export const maxWindowBytes = 0x7fff_ffff;
export const defaultFrameBytes = 16_384;
export const largestFrameBytes = 0xff_ffff;
export const maxStreamId = 0x7fff_ffff;

/** What a client says first (section 3.4). */
export const clientPreface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
