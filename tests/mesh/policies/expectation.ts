import {
  type Caller,
  type CalleePolicy,
  type CallerPolicy,
  type Forward,
  host,
  type Match,
  type Policies,
  type Route,
  slowMs,
  type Target,
  timeoutMs,
  versionOf,
} from "./policy-model.ts";

/** What a client of the load sends. */
export interface Sent {
  readonly caller: Caller;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly isCanary: boolean;
  /** What the application is asked to do: to take its time, or to fail at the first try. */
  readonly does: "" | "slow" | "flaky";
}

/** What came of it, as its client saw it. */
export interface Got {
  readonly status: number;
  readonly location: string;
  /** What the caller's proxy has written on the response; empty for nothing. */
  readonly answered: string;
  readonly body: string;
  readonly elapsedMs: number;
  /** Why there is no whole response; empty when there is. */
  readonly error: string;
}

/** One way in which a request may end by the policies in force. */
export type Expectation =
  /** An answer of a proxy, whose body begins with `text`. */
  | {
      readonly by: "proxy";
      readonly status: number;
      readonly location: string;
      readonly answered: string;
      readonly text: string;
    }
  | {
      readonly by: "application";
      readonly status: 200 | 503;
      readonly answered: string;
      readonly instances: readonly number[];
      readonly path: string;
      readonly edit: string;
    };

/** What the application answers with. */
export interface Told {
  readonly instance: number;
  readonly path: string;
  readonly edit: string;
}

/** Every way in which `sent` may end by these policies. */
export function expectations({ caller, callee }: Policies, sent: Sent): readonly Expectation[] {
  const route = caller.routes.find(({ match }) => matches(match, sent));
  const answered = route?.responseEdit ?? "";
  if (route === undefined) {
    if (caller.unmatched === "reply-404") return [proxyAnswer(404, "no route")];
    return forwarded({ caller, callee }, sent, { route, target: { weight: 1 } });
  }
  const { action } = route;
  switch (action.kind) {
    case "redirect": {
      const location = `http://${host}${action.path}${queryOf(sent)}`;
      return [{ by: "proxy", status: action.status, location, answered, text: "see Location" }];
    }
    case "reply":
      return [{ by: "proxy", status: action.status, location: "", answered, text: action.body }];
    case "forward":
      return action.targets.flatMap((target) =>
        target.weight > 0 ? forwarded({ caller, callee }, sent, { route, action, target }) : [],
      );
  }
}

/** Whether this end is that one. */
export function isMet(expected: Expectation, got: Got): boolean {
  if (got.error !== "" || got.status !== expected.status || got.answered !== expected.answered) return false;
  if (expected.by === "proxy") return got.location === expected.location && got.body.startsWith(expected.text);
  const told = readTold(got.body);
  return (
    told !== undefined &&
    expected.instances.includes(told.instance) &&
    told.path === expected.path &&
    told.edit === expected.edit
  );
}

/** A route's time is for whatever takes so long; on a busy machine that may be anything. */
export function isLate({ caller }: Policies, sent: Sent, got: Got): boolean {
  const action = caller.routes.find(({ match }) => matches(match, sent))?.action;
  const hasTimeout = action?.kind === "forward" && action.hasTimeout;
  return hasTimeout && got.status === 504 && got.elapsedMs >= timeoutMs;
}

/** Whether the called proxy lets the request in, by whatever path the caller's route gives it. */
export function isAllowed({ caller, callee }: Policies, sent: Sent): boolean {
  const route = caller.routes.find(({ match }) => matches(match, sent));
  const action = route?.action;
  return isAdmitted(callee, sent, action?.kind === "forward" ? rewritten(route, action, sent.path) : sent.path);
}

export function queryOf({ does }: Sent): string {
  return does === "" ? "" : `?do=${does}`;
}

function forwarded(
  { caller, callee }: Policies,
  sent: Sent,
  { route, action, target }: { readonly route: Route | undefined; readonly action?: Forward; readonly target: Target },
): Expectation[] {
  const chosen = instancesOf(caller, target);
  if (chosen.length === 0) return [proxyAnswer(503, "no healthy upstream")];
  const path = action === undefined ? sent.path : rewritten(route, action, sent.path);
  const answered = route?.responseEdit ?? "";
  if (!isAdmitted(callee, sent, path)) {
    return [{ by: "proxy", status: 403, location: "", answered, text: "RBAC: access denied by " }];
  }
  if (sent.does === "slow" && action?.hasTimeout === true && timeoutMs < slowMs) {
    return [proxyAnswer(504, "upstream request timeout")];
  }
  const isRetried = (action?.retries ?? 0) > 0 && sent.method === "GET";
  const status = sent.does === "flaky" && !isRetried ? 503 : 200;
  const edit = route?.requestEdit ?? "";
  return [{ by: "application", status, answered, instances: chosen, path: `${path}${queryOf(sent)}`, edit }];
}

/** Errors of a proxy are not what a route edits. */
function proxyAnswer(status: number, text: string): Expectation {
  return { by: "proxy", status, location: "", answered: "", text };
}

function instancesOf({ endpoints }: CallerPolicy, { version, fallsBack }: Target): readonly number[] {
  if (version === undefined) return endpoints;
  const own = endpoints.filter((instance) => versionOf(instance) === version);
  return own.length === 0 && fallsBack === true ? endpoints : own;
}

function matches({ prefix, isCanary, method }: Match, sent: Sent): boolean {
  return (
    (prefix === undefined || isUnder(sent.path, prefix)) &&
    (isCanary !== true || sent.isCanary) &&
    (method === undefined || sent.method === method)
  );
}

/** By whole segments. */
function isUnder(path: string, prefix: string): boolean {
  return prefix === "/" || path === prefix || path.startsWith(`${prefix}/`);
}

function rewritten(route: Route | undefined, { rewrite }: Forward, path: string): string {
  if (rewrite === undefined) return path;
  const prefix = route?.match.prefix ?? "/";
  const rest = prefix === "/" ? path : path.slice(prefix.length);
  return `${rewrite}${rest}`;
}

function isAdmitted(callee: CalleePolicy, { caller, method }: Sent, path: string): boolean {
  const said = callee.rules[caller] ?? callee.default;
  if (typeof said === "string") return said === "allow";
  const permission = said.find(
    (one) => isUnder(path, one.prefix) && (one.method === undefined || one.method === method),
  );
  return (permission?.action ?? callee.default) === "allow";
}

function readTold(body: string): Told | undefined {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
