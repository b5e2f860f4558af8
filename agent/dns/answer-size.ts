import type { DnsSettings } from "./dns-settings.ts";
import type { Query } from "./wire/query.ts";

export type Transport = "udp" | "tcp";

/** How much of an answer may be sent. */
export interface AnswerLimits {
  readonly maxBytes: number;
  readonly maxAnswers: number;
  /** Whether an answer that is cut says so, so that the client asks again over TCP. */
  readonly isCutShown: boolean;
}

/** What every resolver takes without EDNS (RFC 1035, 4.2.1). */
const plainUdpBytes = 512;
/** Consul's limits, so that clients see answers of the same length. */
const maxUdpBytes = 65_467;
const maxTcpBytes = 65_523;
const maxUdpAnswers = 8;
const maxAnswers = { other: 4_096, srv: 1_024 } as const;
const srvType = 33;

/** Without EDNS a UDP answer has few records, since some clients take no others; with it, as many as fit. */
export function answerLimits(
  query: Pick<Query, "edns" | "type">,
  transport: Transport,
  settings: DnsSettings,
): AnswerLimits {
  const most = query.type === srvType ? maxAnswers.srv : maxAnswers.other;
  if (transport === "tcp") return { maxBytes: maxTcpBytes, maxAnswers: most, isCutShown: settings.isTruncationShown };
  const asked = query.edns?.udpSizeBytes ?? 0;
  const maxBytes = Math.min(Math.max(asked, plainUdpBytes), maxUdpBytes);
  return {
    maxBytes,
    maxAnswers: maxBytes === plainUdpBytes ? Math.min(maxUdpAnswers, settings.udpAnswerLimit) : most,
    isCutShown: settings.isTruncationShown,
  };
}
