import { mustGet } from "../../lib/base/assert.ts";
import type { InboundConfig, ProxyConfig } from "../../lib/contract/proxy-config.ts";
import { judgeRequest } from "../authz/intentions.ts";
import type { LocalReply, RequestPolicy } from "../exchange/policy.ts";
import { type Decided, PolicyQuestion } from "../exchange/policy-question.ts";
import { InboundListener } from "../inbound/listener.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { Verdict } from "../message/verdict.ts";
import { admitAsked } from "./asked-request.ts";
import type {
  Explanation,
  Outcome,
  ShownChoice,
  ShownDestination,
  ShownIntention,
  ShownSetting,
} from "./explanation.ts";
import { documentSettings, nonDefaults } from "./non-defaults.ts";
import type { Offline } from "./offline.ts";
import { outcomeOf, shownTimeouts } from "./outcome.ts";
import { findInbound, parseCaller, parseUrl, type Question } from "./question.ts";
import { changesBetween, shownReply, shownRequest } from "./shown-heads.ts";
import { shownTreatment } from "./shown-treatment.ts";

interface Asked {
  readonly config: ProxyConfig;
  readonly inbound: InboundConfig;
  readonly path: string;
  readonly listener: InboundListener;
  readonly caller: string;
}

/** A request of the mesh to a local service. Throws `INVALID_ARGUMENT`. */
export async function explainInbound(
  config: ProxyConfig,
  question: Question & { readonly inbound: string },
  { context, wanted }: Offline,
): Promise<Explanation> {
  const index = findInbound(config, question.inbound);
  const inbound = mustGet(config.inbound[index], "the index is that of a listener");
  const listener = new InboundListener(context, inbound);
  const asked: Asked = { config, inbound, path: `inbound[${index}]`, listener, caller: parseCaller(question.as) };
  const { service, listen, protocol } = inbound;
  const shown = { direction: "inbound", path: asked.path, service, listen, protocol } as const;
  if (protocol === "tcp") return { listener: shown, ...connectionChoice(asked) };
  const admitted = admitAsked(question, parseUrl(question.url), listener.serving.http);
  if ("reply" in admitted) {
    const reply = shownReply(admitted.reply, admitted.reason);
    const settings = settingsOf(asked, undefined);
    return { outcome: outcomeOf([{ share: 1, reply }]), listener: shown, reply, choices: [], settings, notes: [] };
  }
  const { canonical, received } = admitted;
  const decided = await decide(asked, canonical);
  const judged = judgeRequest(listener.rulesOf(asked.caller), canonical);
  const verdict = "settled" in judged ? undefined : judged;
  const choices: ShownChoice[] = [{ share: 1, ...choiceOf(asked, canonical, decided) }];
  const reply = decided.action === "reply" ? shownReply(decided) : undefined;
  const isAsked = decided.action === "forward" && listener.extAuthz.wouldAsk(decided.head);
  return {
    outcome: isKnown(wanted, decided) && !isAsked ? outcomeOf(choices) : "undecided",
    listener: shown,
    request: shownRequest(canonical, received),
    ...(reply !== undefined && { reply }),
    ...(verdict !== undefined && { intention: intentionOf(asked, verdict) }),
    choices,
    settings: settingsOf(asked, verdict),
    notes: [
      ...wanted.map((uri) => `the keys at ${uri} were not fetched: whether they verify the token is not known`),
      ...(isAsked ? ["the external authorizer was not asked: whether it allows the request is not known"] : []),
    ],
  };
}

/** As an exchange asks when rules have changed: a token may have to be verified first, but nothing is spent or left to chance. */
function decide({ listener, caller }: Asked, canonical: RequestHead): Promise<Decided> {
  const own = listener.policyFor({ peerUri: caller, peerCertificate: undefined });
  const policy: RequestPolicy = { decide: (head) => own.reconsider?.(head) ?? own.decide(head) };
  return new Promise((resolve) => new PolicyQuestion(policy, canonical).ask({ onDecided: resolve }));
}

/** Without its keys a token is refused, which in a running proxy it might not be. */
function isKnown(wanted: readonly string[], decided: Decided): boolean {
  return wanted.length === 0 || decided.action === "forward";
}

function choiceOf(asked: Asked, canonical: RequestHead, decided: Decided): Omit<ShownChoice, "share"> {
  if (decided.action === "reply") return { reply: shownReply(decided satisfies LocalReply) };
  const { head, policy, cluster = asked.inbound.service } = decided;
  return {
    to: {
      cluster,
      changes: changesBetween(canonical, head),
      timeouts: shownTimeouts(canonical, policy, asked.inbound),
      ...shownTreatment(policy),
      ...appOf(asked),
    },
  };
}

/** A connection of TCP, of which only the caller is judged. */
function connectionChoice(asked: Asked): Omit<Explanation, "listener"> {
  const { inbound, listener, caller } = asked;
  const verdict = listener.rulesOf(caller).connection;
  const to: ShownDestination = {
    cluster: inbound.service,
    changes: [],
    timeouts: { request: 0, idle: inbound.idleTimeoutMs, connect: inbound.connectTimeoutMs },
    ...appOf(asked),
  };
  const reply = { status: 0, reason: "denied", text: "the connection is closed" };
  const outcome: Outcome = verdict.isAllowed ? "forwarded" : "refused";
  return {
    outcome,
    intention: intentionOf(asked, verdict),
    ...(!verdict.isAllowed && { reply }),
    choices: [{ share: 1, ...(verdict.isAllowed ? { to } : { reply }) }],
    settings: settingsOf(asked, verdict),
    notes: ["tcp: connections are relayed, and requests are not read"],
  };
}

function appOf({ inbound }: Asked): Pick<ShownDestination, "limits" | "endpoints"> {
  const place = { weight: 1, priority: 0, zone: "", tags: {}, isEligible: true, because: "the application" };
  return {
    limits: { clientConnections: inbound.maxConnections, connectionsPerEndpoint: inbound.maxConnections },
    endpoints: [{ address: inbound.app, ...place }],
  };
}

function intentionOf({ caller }: Asked, { isAllowed, isDryRun, rule, problem }: Verdict): ShownIntention {
  return { caller, isAllowed, isDryRun, rule, ...(problem !== undefined && { problem }) };
}

/** Of the listener, of the rule that decides, and of the document for all listeners. */
function settingsOf({ config, inbound, path }: Asked, verdict: Verdict | undefined): ShownSetting[] {
  const { rules, ...intentions } = inbound.intentions;
  const at = /rules\[(\d+)\](?:\.permissions\[(\d+)\])?/.exec(verdict?.rule ?? "");
  const rule = rules[Number(at?.[1] ?? -1)];
  const permission = rule?.permissions?.[Number(at?.[2] ?? -1)];
  const rulePath = `${path}.intentions.rules[${at?.[1]}]`;
  return [
    ...nonDefaults(path, inbound, ["service", "listen", "protocol", "app", "intentions", "jwtProviders"]),
    ...nonDefaults(`${path}.intentions`, intentions),
    ...(rule === undefined ? [] : nonDefaults(rulePath, rule, ["permissions"])),
    ...(permission === undefined ? [] : nonDefaults(`${rulePath}.permissions[${at?.[2]}]`, permission)),
    ...documentSettings(config),
  ];
}
