/**
 * Every bound of one HTTP/2 connection. Each is there because a peer could otherwise make us spend what it does not pay
 * for. The values come from the proxy's document (`lib/contract/proxy-limits.ts`), whose defaults leave a wide margin to what
 * browsers, gRPC libraries and proxies do.
 *
 * Rates are buckets: `burst` at once, refilled by `perSecond`. `receive` and `sweep` are told the time; a coarse clock will do.
 */
export interface Http2Limits {
  /** Streams the peer may have open at once (SETTINGS_MAX_CONCURRENT_STREAMS); more are refused and safe to repeat. */
  readonly maxConcurrentStreams: number;
  /** A header list as RFC 9113 section 6.5.2 counts it (SETTINGS_MAX_HEADER_LIST_SIZE); beyond: 431, or a reset response. */
  readonly maxHeaderListBytes: number;
  readonly maxFields: number;
  /** A header block as it is on the wire, HEADERS and CONTINUATION together; beyond: the connection ends (CVE-2024-30255). */
  readonly maxHeaderBlockBytes: number;
  readonly maxContinuationFrames: number;
  /** What the peer's encoder may make us remember (SETTINGS_HEADER_TABLE_SIZE). */
  readonly headerTableBytes: number;
  /** The largest frame we take (SETTINGS_MAX_FRAME_SIZE): all but DATA is buffered until complete. */
  readonly maxFrameBytes: number;
  /** What a peer may send on one stream before its reader takes it. */
  readonly streamWindowBytes: number;
  /** The same on the connection. It is granted anew when bytes arrive, not when they are read: see `maxUnreadBytes`. */
  readonly connectionWindowBytes: number;
  /**
   * Received and not yet consumed, all streams together. Below it a slow reader holds up its own stream only; at it the
   * whole connection waits for its readers.
   */
  readonly maxUnreadBytes: number;
  /** What may wait to be written: beyond it `data` takes nothing more. */
  readonly maxOutputBytes: number;
  /** Answers to a peer's frames that it does not read; beyond: the connection ends (CVE-2019-9512, CVE-2019-9515). */
  readonly maxWaitingControlBytes: number;
  /** RST_STREAM of the peer on streams that are not finished (rapid reset, CVE-2023-44487; CVE-2021-32778). */
  readonly resets: RateLimit;
  /** Resets that the peer's errors provoke from us (CVE-2025-8671). */
  readonly provokedResets: RateLimit;
  /** PING, SETTINGS, unknown frames, frames for streams that are gone. Each DATA frame that we send or receive allows one more. */
  readonly control: RateLimit;
  /** PRIORITY, which is ignored (CVE-2019-9513). Each stream allows two more. */
  readonly priority: RateLimit;
  /** WINDOW_UPDATE. Each DATA frame that we send allows ten more, each stream two. */
  readonly windowUpdates: RateLimit;
  /** DATA, HEADERS or CONTINUATION without a byte that do not end anything (CVE-2019-9518). */
  readonly emptyFrames: RateLimit;
  /** A stream that has bytes for the peer and gets no window for so long is reset (CVE-2019-9511, CVE-2019-9517). */
  readonly stalledWindowMs: number;
  /** A header block must be complete within this. */
  readonly headerBlockMs: number;
  /** Our SETTINGS must be acknowledged within this. */
  readonly settingsAckMs: number;
  /** How long a connection that we ended may take to deliver its last words. */
  readonly lingerMs: number;
}

export interface RateLimit {
  readonly burst: number;
  readonly perSecond: number;
}
