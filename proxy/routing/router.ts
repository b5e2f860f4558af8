import type { Route } from "../../lib/contract/proxy-routes.ts";
import { textReply } from "../exchange/local-reply.ts";
import type { Decision, RequestPolicy } from "../exchange/policy.ts";
import type { RequestHead } from "../message/request-head.ts";
import { compileAction, ForwardAction, type RouteAction, type RouteActionOptions, onlyChoice } from "./route-action.ts";
import { RouteTable } from "./route-table.ts";

export interface RouterOptions extends RouteActionOptions {
  readonly routes: readonly Route[];
  readonly unmatched: "forward" | "reply-404";
  /** From 0 to below 1. */
  readonly random: () => number;
}

const noRoute = { ...textReply(404, "no route"), reason: "no_route" } as const;

/**
 * The routes of one listener, compiled when its configuration arrives: a canonical request goes in, and what becomes of it comes
 * out. Whatever was worked out about a head that repeats is kept on it: the route, and the edited head for each target.
 */
export class Router implements RequestPolicy {
  readonly table: RouteTable;
  readonly #actions: readonly RouteAction[];
  readonly #unmatched: RouteAction;
  readonly #random: () => number;

  constructor({ routes, unmatched, random, ...options }: RouterOptions) {
    this.table = new RouteTable(routes.map(({ match }) => match));
    this.#actions = routes.map((route) => compileAction(route, options));
    this.#unmatched = unmatched === "forward" ? ForwardAction.plain(options) : { ...onlyChoice, decide: () => noRoute };
    this.#random = random;
  }

  decide(head: RequestHead): Decision {
    const { block } = head;
    if (block.decidedBy === this && block.decided instanceof Decided) return block.decided.pick(head, this.#random);
    const action = this.#actions[this.table.find(head)] ?? this.#unmatched;
    if (!block.isShared) return action.decide(head, action.pick(this.#random));
    const decided = new Decided(action);
    block.decided = decided;
    block.decidedBy = this;
    return decided.pick(head, this.#random);
  }

  /** All that `decide` may answer, for who asks beforehand. */
  possibilities(head: RequestHead): Possibilities {
    const route = this.table.find(head);
    const action = this.#actions[route] ?? this.#unmatched;
    return { route, choices: action.shares.map((share, i) => ({ share, decision: action.decide(head, i) })) };
  }
}

/** What may become of a request: which route it takes, -1 for none, and the decision for each of its targets, with its share. */
export interface Possibilities {
  readonly route: number;
  readonly choices: readonly { readonly share: number; readonly decision: Decision }[];
}

/** What was worked out about a head that repeats. */
class Decided {
  readonly #action: RouteAction;
  readonly #decisions: (Decision | undefined)[] = [];

  constructor(action: RouteAction) {
    this.#action = action;
  }

  pick(head: RequestHead, random: () => number): Decision {
    const choice = this.#action.pick(random);
    const known = this.#decisions[choice];
    if (known !== undefined) return known;
    const decision = this.#action.decide(head, choice);
    this.#decisions[choice] = decision;
    return decision;
  }
}
