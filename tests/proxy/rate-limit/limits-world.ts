import { mustGet } from "../../../lib/base/assert.ts";
import { type InboundConfig, type OutboundConfig, parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { ListenerLimits } from "../../../proxy/rate-limit/listener-limits.ts";
import { request, type RequestOptions } from "../routing/requests.ts";

const smallest = { identity: { certFile: "a", keyFile: "b", caFile: "c" }, admin: { listen: "127.0.0.1:19000" } };

export function inbound(rateLimit: object): InboundConfig {
  const listener = { service: "api", listen: "127.0.0.1:20000", app: "127.0.0.1:8080", protocol: "http", rateLimit };
  const parsed = parseProxyConfig({ ...smallest, inbound: [{ ...listener, intentions: { default: "deny" } }] });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return mustGet(parsed.config.inbound[0], "one listener");
}

export function outbound(rateLimit: object, routes: readonly object[] = []): OutboundConfig {
  const listener = { service: "api", listen: "127.0.0.1:15001", protocol: "http", rateLimit, routes };
  const parsed = parseProxyConfig({ ...smallest, outbound: [listener] });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return mustGet(parsed.config.outbound[0], "one listener");
}

export const uri = (service: string): string => `spiffe://mesh/ns/default/dc/dc1/svc/${service}`;

/** The limits of an inbound listener on a clock that stands still until it is moved. */
export class LimitsWorld {
  nowMs = 1_000_000;
  readonly limits: ListenerLimits;

  constructor(rateLimit: object, processes = 1) {
    this.limits = new ListenerLimits({ monotonicMs: () => this.nowMs, processes }, inbound(rateLimit).rateLimit);
  }

  update(rateLimit: object): void {
    this.limits.update(inbound(rateLimit).rateLimit);
  }

  /** How many of so many requests are let through now. */
  ask(count: number, path = "/", { caller = "web", ...options }: RequestOptions & { caller?: string } = {}): number {
    const requests = mustGet(this.limits.requests, "requests have a limit");
    const known = requests.callerOf(uri(caller));
    let passed = 0;
    for (let i = 0; i < count; i++) if (requests.take(request(path, options), "", known, this.nowMs)) passed++;
    return passed;
  }
}
