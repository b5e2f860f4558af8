import { mustGet } from "../../lib/base/assert.ts";
import type { Route, TargetConfig } from "../../lib/contract/proxy-routes.ts";
import { SubsetSelector } from "../balance/subset.ts";
import type { Upstream } from "../exchange/ends.ts";
import { textReply } from "../exchange/local-reply.ts";
import type { Decision, ForwardPolicy, LocalReply } from "../exchange/policy.ts";
import { FieldEdit } from "../message/field-edit.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { RequestRules } from "../message/request-rules.ts";
import type { RoutePolicy } from "../resilience/forward-policy.ts";
import { MessageEdits, ResponseEdits } from "./message-edits.ts";
import { compilePathRewrite, type PathRewrite, rewriteTarget } from "./path-rewrite.ts";
import { compileRedirect } from "./redirect.ts";
import { WeightedChoice } from "./weighted-choice.ts";

/** What a route does with the requests that it matches. */
export interface RouteAction {
  /** Of its targets, 1 in sum. */
  readonly shares: readonly number[];
  /** One of its targets, where it has several. */
  pick(random: () => number): number;
  /** The same for the same head and choice. */
  decide(head: RequestHead, choice: number): Decision;
}

export interface RouteActionOptions {
  /** The rules of the listener, which a rewritten path is held to as well. */
  readonly rules: RequestRules;
  /** The listener's own without a name. */
  readonly clusterOf: (name: string | undefined) => RouteCluster;
  /** How long requests to a cluster may take and what is done when they fail: what the route says, or its listener. */
  readonly policyOf: (
    cluster: string | undefined,
    route: string,
    own: Partial<RoutePolicy>,
  ) => ForwardPolicy | undefined;
  /** What the listener does to every head that it sends on. */
  readonly prepare: (head: RequestHead) => RequestHead;
}

/** What a rewrite or a redirect would make is nothing that could be sent. */
const badRewrite: LocalReply = { ...textReply(400, "the rewritten request is not valid"), reason: "bad_rewrite" };

export function compileAction(route: Route, options: RouteActionOptions): RouteAction {
  const { name, match, redirect, reply, responseHeaders } = route;
  if (redirect === undefined && reply === undefined) return ForwardAction.of(route, options);
  const effects = { route: new ResponseEdits(name, new MessageEdits([responseHeaders])) };
  if (reply !== undefined) {
    const { status, body, contentType, headers } = reply;
    const fields = headers.flatMap((field) => [field.name.toLowerCase(), field.value]);
    const answer: LocalReply = { action: "reply", status, body, contentType, fields, ...effects };
    return { ...onlyChoice, decide: () => answer };
  }
  const { status } = mustGet(redirect, "a route has one action");
  const locate = compileRedirect(mustGet(redirect, "a route has one action"), match.path);
  const decide = (head: RequestHead): Decision => {
    const location = locate(head);
    if (location === undefined) return badRewrite;
    return { ...textReply(status, "see Location"), fields: ["location", location], ...effects };
  };
  return { ...onlyChoice, decide };
}

/** For what has no targets to choose from. */
export const onlyChoice = { shares: [1], pick: () => 0 } as const;

/** Where a cluster's requests go. */
export interface RouteCluster {
  readonly name: string;
  readonly upstream: Upstream;
}

interface Target {
  readonly cluster: RouteCluster;
  readonly policy: ForwardPolicy | undefined;
  readonly subset?: SubsetSelector | undefined;
  readonly requestEdits: MessageEdits;
  /** Absent for requests that no route matches. */
  readonly route?: ResponseEdits;
}

/** Sends a request on to one of its targets, changed as the route and the target say. */
export class ForwardAction implements RouteAction {
  readonly #targets: readonly Target[];
  readonly #choice: WeightedChoice;
  readonly #path: PathRewrite | undefined;
  readonly #host: string | undefined;
  readonly #options: RouteActionOptions;

  private constructor(
    targets: readonly Target[],
    weights: readonly number[],
    rewrite: { readonly path: PathRewrite | undefined; readonly host: string | undefined },
    options: RouteActionOptions,
  ) {
    this.#targets = targets;
    this.#choice = new WeightedChoice(weights);
    this.#path = rewrite.path;
    this.#host = rewrite.host;
    this.#options = options;
  }

  static of({ name, match, forward, rewrite, ...edits }: Route, options: RouteActionOptions): ForwardAction {
    const { targets, ...own } = mustGet(forward, "a route has its action written out");
    return new ForwardAction(
      targets.map(({ cluster, subset, subsetFallback, requestHeaders, responseHeaders }) => ({
        cluster: options.clusterOf(cluster),
        subset: hasTags(subset) ? new SubsetSelector(subset, subsetFallback) : undefined,
        policy: options.policyOf(cluster, name, own),
        requestEdits: new MessageEdits([edits.requestHeaders, requestHeaders]),
        route: new ResponseEdits(name, new MessageEdits([edits.responseHeaders, responseHeaders])),
      })),
      targets.map(({ weight }) => weight),
      { path: compilePathRewrite(rewrite ?? {}, match.path), host: rewrite?.host },
      options,
    );
  }

  /** To the listener's own cluster, as it is. */
  static plain(options: RouteActionOptions): ForwardAction {
    const [cluster, policy] = [options.clusterOf(undefined), options.policyOf(undefined, "", {})];
    const target = { cluster, policy, requestEdits: new MessageEdits([]) };
    return new ForwardAction([target], [1], { path: undefined, host: undefined }, options);
  }

  get shares(): readonly number[] {
    return this.#choice.shares;
  }

  pick(random: () => number): number {
    return this.#choice.pick(random);
  }

  decide(head: RequestHead, choice: number): Decision {
    const { cluster, policy, subset, requestEdits, route } = mustGet(
      this.#targets[choice],
      "one of the targets is picked",
    );
    const edited = this.#edited(this.#options.prepare(head), requestEdits);
    if (edited === undefined) return badRewrite;
    if (head.block.isShared) edited.block.isShared = true;
    const { upstream, name } = cluster;
    return { action: "forward", upstream, head: edited, cluster: name, policy, subset, route };
  }

  /** The head itself when nothing is changed. */
  #edited(head: RequestHead, fields: MessageEdits): RequestHead | undefined {
    const path = this.#path === undefined ? head.path : rewriteTarget(head.path, this.#path, this.#options.rules);
    if (path === undefined) return undefined;
    const host = this.#host ?? head.authority;
    if (path === head.path && host === head.authority && fields.isEmpty) return head;
    const edit = new FieldEdit(head.block);
    if (path !== head.path) edit.setFirst(":path", path);
    if (host !== head.authority) edit.setFirst(":authority", host);
    fields.apply(edit);
    return edit.request();
  }
}

function hasTags(subset: TargetConfig["subset"]): subset is NonNullable<TargetConfig["subset"]> {
  return subset !== undefined && Object.keys(subset).length > 0;
}
