/**
 * Policies in words of their own, small enough to know by heart what each of them means for a request: what a proxy's document says is made
 * from them, and so is what has to come of a request. Neither uses the other.
 */
export const callers = ["shop", "batch"] as const;
export type Caller = (typeof callers)[number];
/** The instances of the called service, and the version that each of them is tagged with. */
export const instances = [0, 1, 2, 3] as const;
export const versionOf = (instance: number): string => (instance % 2 === 0 ? "1" : "2");
export const host = "web.example";
/** How long the application takes where it is asked to be slow, and the time that routes with a timeout give. */
export const slowMs = 900;
export const timeoutMs = 400;

/** What a route asks of a request; all of it. */
export interface Match {
  /** By whole segments. */
  readonly prefix?: string;
  readonly isCanary?: boolean;
  readonly method?: "GET" | "POST";
}

export interface Target {
  /** Instances of this version; all of them when absent. */
  readonly version?: string;
  readonly weight: number;
  /** Where nobody has that version, anybody will do. */
  readonly fallsBack?: boolean;
}

export interface Forward {
  readonly kind: "forward";
  readonly targets: readonly Target[];
  readonly hasTimeout: boolean;
  readonly retries: number;
  /** In the place of the prefix that was matched, or of the root. */
  readonly rewrite?: string;
}

export type Action =
  | Forward
  | { readonly kind: "redirect"; readonly path: string; readonly status: 301 | 307 }
  | { readonly kind: "reply"; readonly status: number; readonly body: string };

export interface Route {
  readonly match: Match;
  readonly action: Action;
  /** A field of the request and one of the response that are set; only a forwarded request has the first. */
  readonly requestEdit?: string;
  readonly responseEdit?: string;
}

/** Of the callers' proxies. */
export interface CallerPolicy {
  readonly endpoints: readonly number[];
  readonly routes: readonly Route[];
  readonly unmatched: "forward" | "reply-404";
}

export interface Permission {
  readonly action: "allow" | "deny";
  readonly prefix: string;
  readonly method?: "GET" | "POST";
}

/** Of the called proxy. */
export interface CalleePolicy {
  readonly default: "allow" | "deny";
  /** What is said of a caller: everything, or something of its requests; nothing when absent. */
  readonly rules: Readonly<Partial<Record<Caller, "allow" | "deny" | readonly Permission[]>>>;
}

export interface Policies {
  readonly caller: CallerPolicy;
  readonly callee: CalleePolicy;
}

export const firstPolicies: Policies = {
  caller: {
    endpoints: [0, 1, 2],
    routes: [
      {
        match: { isCanary: true, prefix: "/a" },
        action: {
          kind: "forward",
          targets: [{ version: "2", weight: 1 }],
          hasTimeout: true,
          retries: 1,
          rewrite: "/r",
        },
        requestEdit: "first",
      },
      {
        match: { prefix: "/b" },
        action: { kind: "forward", targets: [{ version: "1", weight: 1 }], hasTimeout: false, retries: 2 },
        responseEdit: "first",
      },
    ],
    unmatched: "forward",
  },
  callee: { default: "allow", rules: { batch: [{ action: "deny", prefix: "/a", method: "POST" }] } },
};

/** The outbound listener of a caller. */
export function outboundOf(
  { endpoints, routes, unmatched }: CallerPolicy,
  listen: string,
  mesh: readonly string[],
): object {
  return {
    service: "web",
    protocol: "http",
    listen,
    endpoints: endpoints.map((i) => ({ address: mesh[i], tags: { version: versionOf(i) } })),
    routes: routes.map(routeOf),
    unmatched,
  };
}

/** One inbound listener of the called service for each of its instances. */
export function inboundsOf(policy: CalleePolicy, mesh: readonly string[], apps: readonly string[]): object[] {
  const intentions = {
    default: policy.default,
    rules: callers.flatMap((caller) => {
      const said = policy.rules[caller];
      if (said === undefined) return [];
      const source = `spiffe://*/ns/default/dc/*/svc/${caller}`;
      return [typeof said === "string" ? { source, action: said } : { source, permissions: said.map(permissionOf) }];
    }),
  };
  return mesh.map((listen, i) => ({ service: "web", protocol: "http", listen, app: apps[i], intentions }));
}

function routeOf({ match, action, requestEdit, responseEdit }: Route): object {
  const { prefix, isCanary, method } = match;
  return {
    match: {
      ...(prefix !== undefined && { path: { type: "path-prefix", value: prefix } }),
      ...(isCanary === true && { headers: [{ name: "x-canary", type: "present" }] }),
      ...(method !== undefined && { methods: [method] }),
    },
    ...actionOf(action),
    ...(requestEdit !== undefined &&
      action.kind === "forward" && { requestHeaders: { set: [{ name: "x-edit", value: requestEdit }] } }),
    ...(responseEdit !== undefined && { responseHeaders: { set: [{ name: "x-answered", value: responseEdit }] } }),
  };
}

function actionOf(action: Action): object {
  if (action.kind === "redirect") return { redirect: { path: action.path, status: action.status } };
  if (action.kind === "reply") return { reply: { status: action.status, body: action.body } };
  const { targets, hasTimeout, retries, rewrite } = action;
  // Budgets are not what is looked at: no retry is one too many.
  const budget = { percent: 100, minConcurrent: 10_000, minPerSecond: 100_000 };
  return {
    forward: {
      targets: targets.map(({ version, weight, fallsBack }) => ({
        weight,
        ...(version !== undefined && { subset: { version } }),
        ...(fallsBack === true && { subsetFallback: "any-endpoint" }),
      })),
      ...(hasTimeout && { timeoutMs }),
      ...(retries > 0 && { retry: { attempts: retries, budget } }),
    },
    ...(rewrite !== undefined && { rewrite: { prefix: rewrite } }),
  };
}

function permissionOf({ action, prefix, method }: Permission): object {
  return {
    action,
    path: { type: "path-prefix", value: prefix },
    ...(method !== undefined && { methods: [method] }),
  };
}
