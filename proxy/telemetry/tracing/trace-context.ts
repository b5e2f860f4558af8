/** What a request says of the trace that it belongs to: W3C Trace Context, `traceparent` and `tracestate`. */
export interface TraceContext {
  /** 32 and 16 lower-case hex digits, not all zero. */
  readonly traceId: string;
  readonly spanId: string;
  /** Flags that go on: sampled, and that the trace id is random (level 2). */
  readonly flags: number;
}

export const sampledFlag = 1;
const knownFlags = 3;
/** The form of version 00, which is also how any later version begins (section 4.3). */
const traceparentForm = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const isZero = /^0+$/;

/** Undefined for anything malformed: then a new trace begins, and `tracestate` is nobody's any more. */
export function parseTraceparent(value: string): TraceContext | undefined {
  const [, version = "", traceId = "", spanId = "", flags = "", rest] = traceparentForm.exec(value) ?? [];
  if (version === "" || version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (isZero.test(traceId) || isZero.test(spanId)) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) & knownFlags };
}

export function formatTraceparent({ traceId, spanId, flags }: TraceContext): string {
  return `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, "0")}`;
}

const maxMembers = 32;
const memberForm =
  /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[ -+\--<>-~]{0,255}[!-+\--<>-~]$/;

/**
 * Several `tracestate` fields as one (section 3.3), in order and as they came but for empty members. Empty when there is nothing that may
 * go on: a list that breaks the rules is dropped whole, and the trace goes on without it.
 */
export function joinTracestate(values: readonly string[]): string {
  const members = values
    .flatMap((value) => value.split(","))
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ""))
    .filter((member) => member !== "");
  const keys = new Set(members.map((member) => member.slice(0, member.indexOf("="))));
  const isFine =
    members.length <= maxMembers && keys.size === members.length && members.every((one) => memberForm.test(one));
  return isFine ? members.join(",") : "";
}
