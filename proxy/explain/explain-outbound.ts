import { mustGet } from "../../lib/base/assert.ts";
import type { OutboundConfig, ProxyConfig } from "../../lib/contract/proxy-config.ts";
import { isHashing } from "../balance/policies.ts";
import { connectionHash, hostOf } from "../balance/request-hash.ts";
import { failureReply } from "../exchange/local-reply.ts";
import type { Decision, ForwardDecision } from "../exchange/policy.ts";
import type { RequestHead } from "../message/request-head.ts";
import { type ClusterSettings, clusterSettings } from "../outbound/cluster.ts";
import type { Endpoint } from "../outbound/endpoint.ts";
import { OutboundListener } from "../outbound/listener.ts";
import { PlacedRequest } from "../upstream/placed-request.ts";
import { admitAsked } from "./asked-request.ts";
import type {
  Explanation,
  ShownBalancing,
  ShownChoice,
  ShownDestination,
  ShownRoute,
  ShownSetting,
} from "./explanation.ts";
import { documentSettings, nonDefaults } from "./non-defaults.ts";
import type { Offline } from "./offline.ts";
import { outcomeOf, shownTimeouts } from "./outcome.ts";
import { findOutbound, parseFrom, parseUrl, type Question } from "./question.ts";
import { shownEndpoints } from "./shown-endpoints.ts";
import { changesBetween, shownReply, shownRequest } from "./shown-heads.ts";
import { shownTreatment } from "./shown-treatment.ts";
import { shownMatch } from "./shown-match.ts";

/** The listener that is asked, as it stands in the document and as it would run. */
interface Asked {
  readonly config: ProxyConfig;
  readonly outbound: OutboundConfig;
  readonly path: string;
  readonly listener: OutboundListener;
  /** `host:port` of the client. */
  readonly from: string;
}

/** A request of a local application to the mesh. Throws `INVALID_ARGUMENT`. */
export function explainOutbound(config: ProxyConfig, question: Question, { context }: Offline): Explanation {
  const url = parseUrl(question.url);
  const index = findOutbound(config, question, url);
  const outbound = mustGet(config.outbound[index], "the index is that of a listener");
  const listener = new OutboundListener(context, outbound);
  const asked: Asked = { config, outbound, path: `outbound[${index}]`, listener, from: parseFrom(question.from) };
  const { service, listen, protocol } = outbound;
  const shown = { direction: "outbound", path: asked.path, service, listen, protocol } as const;
  if (protocol === "tcp") return { listener: shown, ...connectionChoice(asked) };
  const admitted = admitAsked(question, url, listener.serving.http);
  if ("reply" in admitted) {
    const reply = shownReply(admitted.reply, admitted.reason);
    const settings = settingsOf(asked, -1, []);
    return { outcome: outcomeOf([{ share: 1, reply }]), listener: shown, reply, choices: [], settings, notes: [] };
  }
  const { canonical, received } = admitted;
  const { route, choices } = listener.possibilities(canonical);
  const possible = choices.filter(({ share }) => share > 0);
  const shownChoices = possible.map(({ share, decision }) => ({ share, ...choiceOf(asked, canonical, decision) }));
  const [only, another] = shownChoices;
  return {
    outcome: outcomeOf(shownChoices),
    listener: shown,
    request: shownRequest(canonical, received),
    ...(only?.to === undefined && only?.reply !== undefined && another === undefined && { reply: only.reply }),
    route: routeOf(asked, route),
    choices: shownChoices,
    settings: settingsOf(asked, route, shownChoices),
    notes: notesOf(shownChoices),
  };
}

function choiceOf(asked: Asked, canonical: RequestHead, decision: Decision): Omit<ShownChoice, "share"> {
  if (decision.action === "reply") return { reply: shownReply(decision) };
  return forwardChoice(
    asked,
    canonical,
    mustGet(decision.action === "forward" ? decision : undefined, "routes do not wait"),
  );
}

function forwardChoice(asked: Asked, canonical: RequestHead, decision: ForwardDecision): Omit<ShownChoice, "share"> {
  const { head, policy, subset, upstream } = decision;
  const { cluster, settings } = clusterOf(asked, decision.cluster);
  const placed = upstream.forRequest?.(canonical, asked.from, subset);
  const hash = placed instanceof PlacedRequest ? placed.hash : undefined;
  const chosen = cluster.choice.pickEndpoint(new Set(), hash, subset);
  const to: ShownDestination = {
    cluster: cluster.name,
    ...(subset !== undefined && { subset: subset.tags }),
    changes: changesBetween(canonical, head),
    timeouts: shownTimeouts(canonical, policy, { ...asked.outbound, connectTimeoutMs: settings.connectTimeoutMs }),
    ...(policy?.retry !== undefined && { retry: policy.retry.policy.config }),
    ...shownTreatment(policy),
    limits: {
      clientConnections: asked.outbound.maxConnections,
      connectionsPerEndpoint: settings.maxConnections,
    },
    balancing: balancingOf(settings, hash, chosen),
    endpoints: shownEndpoints(cluster, subset),
  };
  return chosen === undefined ? { to, reply: shownReply(failureReply("no_healthy_upstream")) } : { to };
}

/** A connection of TCP: only the listener's own cluster is there. */
function connectionChoice(asked: Asked): Omit<Explanation, "listener"> {
  const { cluster, settings } = clusterOf(asked, undefined);
  const hash = connectionHash(settings.balancer.hashPolicies, hostOf(asked.from));
  const chosen = cluster.choice.pickEndpoint(new Set(), hash);
  const to: ShownDestination = {
    cluster: cluster.name,
    changes: [],
    timeouts: { request: 0, idle: asked.outbound.idleTimeoutMs, connect: settings.connectTimeoutMs },
    limits: { clientConnections: settings.maxConnections, connectionsPerEndpoint: settings.maxConnections },
    balancing: balancingOf(settings, hash, chosen),
    endpoints: shownEndpoints(cluster, undefined),
  };
  const choice = {
    share: 1,
    to,
    ...(chosen === undefined && {
      reply: { status: 0, reason: "no_healthy_upstream", text: "the connection is closed" },
    }),
  };
  const notes = ["tcp: connections are relayed, and requests are not read"];
  return { outcome: outcomeOf([choice]), choices: [choice], settings: settingsOf(asked, -1, [choice]), notes };
}

/** Where a hash decides, it says of this one request or connection where it goes. */
function balancingOf(
  { balancer }: ClusterSettings,
  hash: number | undefined,
  chosen: Endpoint | undefined,
): ShownBalancing {
  const { policy } = balancer;
  if (!isHashing(balancer) || hash === undefined || chosen === undefined) return { policy };
  return { policy, hash, endpoint: chosen.address };
}

function clusterOf({ listener, outbound }: Asked, name: string | undefined) {
  const wanted = name ?? outbound.service;
  const cluster = listener.clusters.find((one) => one.name === wanted);
  const settings = clusterSettings(outbound).find((one) => one.name === wanted);
  return {
    cluster: mustGet(cluster, "a decision names a cluster of its listener"),
    settings: mustGet(settings, "every cluster is in the document"),
  };
}

function routeOf({ outbound, path }: Asked, index: number): ShownRoute {
  const route = outbound.routes[index];
  const count = outbound.routes.length;
  if (route === undefined) return { index: -1, count, name: "", path: `${path}.unmatched`, matches: [] };
  return { index, count, name: route.name, path: `${path}.routes[${index}]`, matches: shownMatch(route.match) };
}

/** Of the listener, the route and the clusters that have a part in it, and of the document for all of them. */
function settingsOf({ config, outbound, path }: Asked, route: number, choices: readonly ShownChoice[]): ShownSetting[] {
  const names = new Set(choices.flatMap(({ to }) => (to === undefined ? [] : [to.cluster])));
  return [
    ...nonDefaults(path, outbound, ["service", "listen", "protocol", "endpoints", "clusters", "routes"]),
    ...outbound.clusters.flatMap((cluster, i) =>
      names.has(cluster.name) ? nonDefaults(`${path}.clusters[${i}]`, cluster, ["name", "endpoints"]) : [],
    ),
    ...(route < 0 ? [] : nonDefaults(`${path}.routes[${route}]`, outbound.routes[route], ["name", "match"])),
    ...documentSettings(config),
  ];
}

function notesOf(choices: readonly ShownChoice[]): string[] {
  return choices.some(({ to }) => to !== undefined)
    ? [
        "endpoints are shown as they are when all of them are well: what a running proxy has seen of them is not known here",
      ]
    : [];
}
