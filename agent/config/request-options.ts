import { parseDurationMs } from "../../lib/base/duration.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { defaultRequestLimits, type RequestLimits, requestLimitBounds } from "../../lib/contract/request-limits.ts";
import { maxSessionTtlMs } from "../../lib/contract/sessions.ts";

/** What a person set of the limits of requests; durations as they were written. */
export interface RequestSettings {
  readonly kvMaxValueBytes?: number;
  readonly txnMaxBytes?: number;
  readonly sessionTtlMin?: string;
  readonly defaultQueryTime?: string;
  readonly maxQueryTime?: string;
  readonly discoveryMaxStale?: string;
}

/** Checks and fills in. Throws `CONFIG_INVALID` that names the key, the value and the fix. */
export function resolveRequestLimits(settings: RequestSettings): RequestLimits {
  const { maxValueBytes, maxTxnBytes, maxQueryMs } = requestLimitBounds;
  const { kvMaxValueBytes, txnMaxBytes } = settings;
  return {
    kvMaxValueBytes:
      bytes("limits.kv_max_value_size", kvMaxValueBytes, maxValueBytes) ?? defaultRequestLimits.kvMaxValueBytes,
    txnMaxBytes: bytes("limits.txn_max_req_len", txnMaxBytes, maxTxnBytes) ?? defaultRequestLimits.txnMaxBytes,
    // Consul takes its defaults for zeros.
    sessionTtlMinMs:
      millis("session_ttl_min", settings.sessionTtlMin, maxSessionTtlMs) || defaultRequestLimits.sessionTtlMinMs,
    defaultQueryMs:
      millis("default_query_time", settings.defaultQueryTime, maxQueryMs) || defaultRequestLimits.defaultQueryMs,
    maxQueryMs: millis("max_query_time", settings.maxQueryTime, maxQueryMs) || defaultRequestLimits.maxQueryMs,
    discoveryMaxStaleMs: millis("discovery_max_stale", settings.discoveryMaxStale, Number.MAX_SAFE_INTEGER) ?? 0,
  };
}

function bytes(key: string, size: number | undefined, most: number): number | undefined {
  if (size === undefined || size <= most) return size;
  const message = `${key} is ${size}: at most ${most} bytes go through the log in one piece; make it ${most} or less`;
  throw new AtollError("CONFIG_INVALID", message);
}

function millis(key: string, text: string | undefined, mostMs: number): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDurationMs(text);
  if (ms === undefined || ms < 0) {
    throw new AtollError("CONFIG_INVALID", `${key} must be a duration such as "30s", found ${JSON.stringify(text)}`);
  }
  if (ms <= mostMs) return ms;
  throw new AtollError("CONFIG_INVALID", `${key} is ${text}: it must be ${mostMs / 3_600_000}h or less`);
}
