import type { CheckStatus } from "../../lib/contract/catalog.ts";

/** What one attempt of a check came to. */
export interface ProbeResult {
  readonly status: CheckStatus;
  readonly output: string;
}

export interface ProbeLimits {
  /** Ends the attempt: its time is over, or the check is gone. */
  readonly signal: AbortSignal;
  readonly outputMaxBytes: number;
}

/** `text` cut to `maxBytes` of UTF-8, on a character boundary. */
export function capOutput(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes;
  // Bytes 10xxxxxx continue a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}
