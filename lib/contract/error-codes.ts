/**
 * Every operating error of Atoll. `retryable`: `yes` = nothing happened, ask again; `no` = asking again changes nothing;
 * `unknown` = it may or may not have taken effect. `status` is what the HTTP API answers.
 */
export const errorTable = {
  INVALID_ARGUMENT: { status: 400, retryable: "no", meaning: "a field of the request is missing or wrong" },
  CONFIG_INVALID: { status: 400, retryable: "no", meaning: "a configuration file or flag cannot be used" },
  PERMISSION_DENIED: { status: 403, retryable: "no", meaning: "the caller may not do this" },
  NOT_FOUND: { status: 404, retryable: "no", meaning: "the named thing does not exist" },
  METHOD_NOT_ALLOWED: { status: 405, retryable: "no", meaning: "the path exists, the method does not" },
  CONFLICT: { status: 409, retryable: "no", meaning: "the change contradicts what is there" },
  TOO_LARGE: { status: 413, retryable: "no", meaning: "a body or value is over its limit" },
  RATE_LIMITED: { status: 429, retryable: "yes", meaning: "a rate limit was reached" },
  INTERNAL: { status: 500, retryable: "no", meaning: "the program could not do what it should" },
  NO_LEADER: { status: 500, retryable: "yes", meaning: "no server is the leader at the moment" },
  UNAVAILABLE: { status: 503, retryable: "yes", meaning: "a server, agent or peer cannot be reached" },
  UNKNOWN_OUTCOME: { status: 500, retryable: "unknown", meaning: "the write may or may not have taken effect" },
  TIMEOUT: { status: 504, retryable: "unknown", meaning: "no answer within the time allowed" },
  ADDRESS_IN_USE: { status: 500, retryable: "no", meaning: "another process holds the address" },
  DATA_DIR_LOCKED: { status: 500, retryable: "no", meaning: "another process holds the data directory" },
  DATA_CORRUPT: { status: 500, retryable: "no", meaning: "stored data does not match its checksum" },
  DATA_VERSION: { status: 500, retryable: "no", meaning: "stored data were written by another version of Atoll" },
  WRONG_CLUSTER: { status: 500, retryable: "no", meaning: "the data or peer belongs to another cluster" },
  PROTOCOL_MISMATCH: { status: 500, retryable: "no", meaning: "two servers know no common version of their protocol" },
  CERTIFICATE_INVALID: { status: 400, retryable: "no", meaning: "a certificate, key or request cannot be used" },
} as const satisfies Record<string, ErrorSpec>;

export interface ErrorSpec {
  readonly status: number;
  readonly retryable: "yes" | "no" | "unknown";
  readonly meaning: string;
}

export type ErrorCode = keyof typeof errorTable;

export interface AtollErrorOptions {
  readonly cause?: unknown;
  /** Replaces the table's HTTP status where Consul answers another one for this case. */
  readonly status?: number;
  /** Where the leader listens, `host:port`, when whoever refused knows it: ask there. */
  readonly leader?: string;
}

/**
 * An operating error: the message names the field, the value and the fix. On the HTTP API the message is the body,
 * so it is worded as Consul words it where Consul has such an error.
 */
export class AtollError extends Error {
  override readonly name = "AtollError";
  readonly code: ErrorCode;
  readonly status: number;
  /** Empty when not known. */
  readonly leader: string;

  constructor(code: ErrorCode, message: string, options: AtollErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.status = options.status ?? errorTable[code].status;
    this.leader = options.leader ?? "";
  }

  get retryable(): ErrorSpec["retryable"] {
    return errorTable[this.code].retryable;
  }
}

/** Whether `text` is a code of {@link errorTable}, for errors that crossed a wire. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorTable, text);
}
