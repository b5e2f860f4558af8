import type { Random } from "../../../lib/base/random.ts";
import {
  type Action,
  callers,
  type CalleePolicy,
  type CallerPolicy,
  instances,
  type Match,
  type Permission,
  type Policies,
  type Route,
  type Target,
} from "./policy-model.ts";

/** One change of the policies of one side. */
export interface Change {
  readonly side: "caller" | "callee";
  readonly what: string;
  readonly policies: Policies;
}

const maxRoutes = 6;
const prefixes = ["/", "/a", "/a/x", "/b"] as const;

/** Random changes of policies, one after another. */
export class RandomChanges {
  readonly #random: Random;
  #edits = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Another policy than the one before; what it says may be the same. */
  next(policies: Policies): Change {
    const { caller, callee } = policies;
    const changes: readonly (() => Change)[] = [
      () => this.#callee(policies, "default", { ...callee, default: this.#verdict() }),
      () => this.#callee(policies, "rule of a caller", this.#ruled(callee)),
      () => this.#callee(policies, "permissions of a caller", this.#permitted(callee)),
      () => this.#callee(policies, "permissions of a caller", this.#permitted(callee)),
      () => this.#caller(policies, "endpoints", { ...caller, endpoints: this.#endpoints(caller) }),
      () =>
        this.#caller(policies, "unmatched", {
          ...caller,
          unmatched: caller.unmatched === "forward" ? "reply-404" : "forward",
        }),
      () => this.#caller(policies, "route added", this.#withRoute(caller)),
      () => this.#caller(policies, "route added", this.#withRoute(caller)),
      () => this.#caller(policies, "route removed", this.#withoutRoute(caller)),
      () =>
        this.#caller(
          policies,
          "action of a route",
          this.#withOther(caller, (route) => ({ ...route, action: this.#action(route.match) })),
        ),
      () =>
        this.#caller(
          policies,
          "edits of a route",
          this.#withOther(caller, (route) => ({ ...route, ...this.#editsOf() })),
        ),
      () =>
        this.#caller(
          policies,
          "timeout or retries of a route",
          this.#withOther(caller, (route) => this.#otherPolicy(route)),
        ),
    ];
    return this.#pick(changes)();
  }

  #callee(policies: Policies, what: string, callee: CalleePolicy): Change {
    return { side: "callee", what, policies: { ...policies, callee } };
  }

  #caller(policies: Policies, what: string, caller: CallerPolicy): Change {
    return { side: "caller", what, policies: { ...policies, caller } };
  }

  #ruled(callee: CalleePolicy): CalleePolicy {
    const caller = this.#pick(callers);
    const { [caller]: _, ...others } = callee.rules;
    const action = this.#pick(["allow", "allow", "deny", "nothing"] as const);
    return { ...callee, rules: action === "nothing" ? others : { ...others, [caller]: action } };
  }

  #permitted(callee: CalleePolicy): CalleePolicy {
    const permission = (): Permission => ({
      action: this.#verdict(),
      prefix: this.#pick([...prefixes, "/r"] as const),
      ...(this.#isOneIn(3) && { method: this.#pick(["GET", "POST"] as const) }),
    });
    const permissions = Array.from({ length: 1 + this.#below(3) }, permission);
    return { ...callee, rules: { ...callee.rules, [this.#pick(callers)]: permissions } };
  }

  /** One comes or goes; one always stays. */
  #endpoints({ endpoints }: CallerPolicy): readonly number[] {
    const one = this.#pick(instances);
    if (!endpoints.includes(one)) return [...endpoints, one].sort();
    return endpoints.length === 1 ? [this.#pick(instances)] : endpoints.filter((other) => other !== one);
  }

  #withRoute(caller: CallerPolicy): CallerPolicy {
    if (caller.routes.length >= maxRoutes) return this.#withoutRoute(caller);
    const at = this.#below(caller.routes.length + 1);
    return { ...caller, routes: caller.routes.toSpliced(at, 0, this.#route()) };
  }

  #withoutRoute(caller: CallerPolicy): CallerPolicy {
    return { ...caller, routes: caller.routes.toSpliced(this.#below(Math.max(1, caller.routes.length)), 1) };
  }

  #withOther(caller: CallerPolicy, change: (route: Route) => Route): CallerPolicy {
    if (caller.routes.length === 0) return this.#withRoute(caller);
    const at = this.#below(caller.routes.length);
    return { ...caller, routes: caller.routes.map((route, i) => (i === at ? change(route) : route)) };
  }

  #route(): Route {
    const match = this.#match();
    return { match, action: this.#action(match), ...this.#editsOf() };
  }

  #match(): Match {
    return {
      ...(this.#isOneIn(4) ? {} : { prefix: this.#pick(prefixes) }),
      ...(this.#isOneIn(3) && { isCanary: true }),
      ...(this.#isOneIn(4) && { method: this.#pick(["GET", "POST"] as const) }),
    };
  }

  #action({ prefix, isCanary }: Match): Action {
    // Where nearly everything is answered by the proxy there is little to see.
    const isBroad = (prefix === undefined || prefix === "/") && isCanary !== true;
    const kind = isBroad ? -1 : this.#below(6);
    if (kind === 0) return { kind: "redirect", path: "/moved", status: this.#pick([301, 307] as const) };
    if (kind === 1) return { kind: "reply", status: this.#pick([200, 404, 418]), body: `reply ${++this.#edits}.` };
    const targets = Array.from({ length: 1 + this.#below(2) }, () => this.#target());
    return {
      kind: "forward",
      // Somebody has to get something.
      targets: targets.every(({ weight }) => weight === 0) ? [...targets, { weight: 1 }] : targets,
      hasTimeout: this.#isOneIn(2),
      retries: this.#below(3),
      ...(prefix !== undefined && this.#isOneIn(3) && { rewrite: "/r" }),
    };
  }

  #target(): Target {
    return {
      weight: this.#pick([0, 1, 50]),
      ...(this.#isOneIn(2) && { version: this.#pick(["1", "2"]), ...(this.#isOneIn(3) && { fallsBack: true }) }),
    };
  }

  /** A mesh in which nearly everybody is denied has little to show. */
  #verdict(): "allow" | "deny" {
    return this.#pick(["allow", "allow", "deny"] as const);
  }

  #editsOf(): Pick<Route, "requestEdit" | "responseEdit"> {
    return {
      ...(this.#isOneIn(2) && { requestEdit: `edit ${++this.#edits}` }),
      ...(this.#isOneIn(2) && { responseEdit: `answer ${++this.#edits}` }),
    };
  }

  #otherPolicy(route: Route): Route {
    if (route.action.kind !== "forward") return { ...route, action: this.#action(route.match) };
    return { ...route, action: { ...route.action, hasTimeout: this.#isOneIn(2), retries: this.#below(3) } };
  }

  #below(bound: number): number {
    return Math.floor(this.#random.float() * bound);
  }

  #isOneIn(count: number): boolean {
    return this.#below(count) === 0;
  }

  #pick<T>(list: readonly T[]): T {
    const found = list[this.#below(list.length)];
    if (found === undefined) throw new Error("there is nothing to pick");
    return found;
  }
}
