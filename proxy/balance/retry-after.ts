/** What a `Retry-After` field says (RFC 9110 section 10.2.3), in milliseconds from `nowMs` of wall-clock time; undefined when nothing. */
export function retryAfterMs(value: string, nowMs: number): number | undefined {
  const text = value.trim();
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1_000;
  if (!/^[A-Z][a-z]{2,8}, .*GMT$/.test(text)) return undefined;
  const dateMs = Date.parse(text);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}

/** How long an endpoint that answers so asks to be left alone, at most `maxMs`; 0 for not at all. */
export function backoffMs(
  status: number,
  retryAfter: string | undefined,
  { nowMs, maxMs }: { readonly nowMs: number; readonly maxMs: number },
): number {
  if ((status !== 429 && status !== 503) || retryAfter === undefined) return 0;
  return Math.min(maxMs, retryAfterMs(retryAfter, nowMs) ?? 0);
}
