/**
 * What a proxy would do with one request, without a network: the door of this folder, for `atoll proxy explain`. It builds the real
 * listener from the document and asks it what it would ask itself, so that it cannot say anything else than what the listener does.
 */
import type { Runtime } from "../../lib/base/runtime.ts";
import type { ProxyConfig } from "../../lib/contract/proxy-config.ts";
import { loadIdentity } from "../transport/identity.ts";
import type { TlsIdentity } from "../transport/transport.ts";
import type { Explanation } from "./explanation.ts";
import { explainInbound } from "./explain-inbound.ts";
import { explainOutbound } from "./explain-outbound.ts";
import { createOffline } from "./offline.ts";
import type { Question } from "./question.ts";

export interface ExplainOptions {
  readonly runtime: Runtime;
  /** From its files when absent. */
  readonly loadIdentity?: (files: ProxyConfig["identity"]) => TlsIdentity;
}

/** Throws `INVALID_ARGUMENT` for a question that cannot be answered. */
export async function explain(config: ProxyConfig, question: Question, options: ExplainOptions): Promise<Explanation> {
  const { runtime } = options;
  const load = options.loadIdentity ?? ((files) => loadIdentity(files, runtime.clock.nowMs()));
  const offline = createOffline(config, runtime, load);
  try {
    const { inbound } = question;
    const explanation =
      inbound === undefined
        ? explainOutbound(config, question, offline)
        : await explainInbound(config, { ...question, inbound }, offline);
    return { ...explanation, notes: [...offline.notes, ...explanation.notes] };
  } finally {
    offline.stop();
  }
}
