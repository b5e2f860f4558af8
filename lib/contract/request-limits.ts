/**
 * What a server holds single requests to. It is looked at where a request comes in and nowhere else: what is in the log is
 * applied whatever the limits of a server are, so that servers with other limits have the same state.
 */
export interface RequestLimits {
  /** Of a value of `/v1/kv`, and of each in a transaction. */
  readonly kvMaxValueBytes: number;
  /** Of the body of `/v1/txn`; where a single value may be larger, so may the body. */
  readonly txnMaxBytes: number;
  /** Sessions with a shorter TTL are refused. */
  readonly sessionTtlMinMs: number;
  /** How long a blocking query waits that does not say it. */
  readonly defaultQueryMs: number;
  readonly maxQueryMs: number;
  /** Reads of the catalog and of health that say nothing of staleness may be so old; 0: they are the leader's. */
  readonly discoveryMaxStaleMs: number;
}

export const defaultRequestLimits: RequestLimits = {
  kvMaxValueBytes: 512 * 1024,
  txnMaxBytes: 512 * 1024,
  sessionTtlMinMs: 10_000,
  defaultQueryMs: 300_000,
  maxQueryMs: 600_000,
  discoveryMaxStaleMs: 0,
};

/** A change goes through the log in one piece of at most 4 MiB, in which values are base64. */
export const requestLimitBounds = {
  maxValueBytes: 3_000_000,
  maxTxnBytes: 4_000_000,
  maxQueryMs: 24 * 3_600_000,
} as const;

/** Where the limit of a body is set, for who has gone beyond it. */
export const kvLimitKey = "limits.kv_max_value_size";
export const txnLimitKey = "limits.txn_max_req_len";

/** The largest body of a transaction: a value that is allowed by itself is allowed in one. */
export function txnBodyLimit({ txnMaxBytes, kvMaxValueBytes }: RequestLimits): number {
  return Math.max(txnMaxBytes, kvMaxValueBytes);
}

/** The longest blocking query with its jitter, and time for the way. */
export function longestForwardMs({ maxQueryMs }: Pick<RequestLimits, "maxQueryMs">): number {
  return maxQueryMs * (1 + 1 / 16) + 30_000;
}
