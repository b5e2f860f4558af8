import { mustGet } from "../../../lib/base/assert.ts";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import type { Route } from "../../../lib/contract/proxy-routes.ts";
import type { Upstream } from "../../../proxy/exchange/ends.ts";
import type { Decision } from "../../../proxy/exchange/policy.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";
import { defaultRequestRules, type RequestRules } from "../../../proxy/message/request-rules.ts";
import { checkResponse, ResponseHead } from "../../../proxy/message/response-head.ts";
import { Router } from "../../../proxy/routing/router.ts";

export interface RequestOptions {
  readonly method?: string;
  readonly authority?: string;
  readonly scheme?: string;
  readonly fields?: readonly string[];
  readonly isShared?: boolean;
}

export function request(path: string, options: RequestOptions = {}): RequestHead {
  const { method = "GET", authority = "web.example", scheme = "http", fields = [], isShared = false } = options;
  const block = new FieldBlock([
    ":method",
    method,
    ":scheme",
    scheme,
    ":authority",
    authority,
    ":path",
    path,
    ...fields,
  ]);
  block.isShared = isShared;
  const head = checkRequest(block);
  return mustGet(head instanceof RequestHead ? head : undefined, "a valid request");
}

export function response(fields: readonly string[] = [], isShared = false): ResponseHead {
  const block = new FieldBlock([":status", "200", ...fields]);
  block.isShared = isShared;
  const head = checkResponse(block);
  return mustGet(head instanceof ResponseHead ? head : undefined, "a valid response");
}

/** As the parser completes them; the outbound is `web` and has the clusters `v1`, `v2` and `v3`. */
export function parseRoutes(routes: readonly unknown[]): readonly Route[] {
  const clusters = [{ name: "v1" }, { name: "v2" }, { name: "v3" }];
  const parsed = parseProxyConfig({
    identity: { certFile: "a", keyFile: "b", caFile: "c" },
    admin: { listen: "127.0.0.1:19000" },
    outbound: [{ service: "web", listen: "127.0.0.1:15001", protocol: "http", clusters, routes }],
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return mustGet(parsed.config.outbound[0], "one outbound").routes;
}

class NamedUpstream implements Upstream {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  acquire(): void {}

  cancel(): void {}
}

export interface TestRouterOptions {
  readonly unmatched?: "forward" | "reply-404";
  readonly rules?: RequestRules;
  readonly random?: () => number;
}

export function routerOf(routes: readonly unknown[], options: TestRouterOptions = {}): Router {
  const { unmatched = "forward", rules = defaultRequestRules, random = () => 0 } = options;
  return new Router({
    routes: parseRoutes(routes),
    unmatched,
    rules,
    clusterOf: (name = "web") => ({ name, upstream: new NamedUpstream(name) }),
    policyOf: () => undefined,
    prepare: (head) => head,
    random,
  });
}

export type Forwarded = Extract<Decision, { action: "forward" }>;

export function mustForward(decision: Decision): Forwarded {
  return mustGet(decision.action === "forward" ? decision : undefined, "the request is forwarded");
}

/** The name of the cluster that a decision sends its request to, or the status of its reply. */
export function destination(decision: Decision): string | number {
  if (decision.action === "wait") return "";
  if (decision.action === "reply") return decision.status;
  return decision.upstream instanceof NamedUpstream ? decision.upstream.name : "";
}
