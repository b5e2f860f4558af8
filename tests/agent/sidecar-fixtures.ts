import type { Sidecar } from "../../agent/proxies/sidecar.ts";
import type { CheckStatus, ServiceInstance, Upstream } from "../../lib/contract/catalog.ts";
import type { ResolvedServiceConfig } from "../../lib/contract/config-entries.ts";
import type { IntentionHeader, IntentionHttp, IntentionPermission } from "../../lib/contract/intention-permissions.ts";
import { type Intention, intentionPrecedence } from "../../lib/contract/intentions.ts";

/** Records as the agent and the servers make them, with the fields a test cares about replaced. */
export function sidecar(overrides: Partial<Sidecar> & { readonly proxy?: Partial<Sidecar["Proxy"]> } = {}): Sidecar {
  const { proxy, ...fields } = overrides;
  return {
    Kind: "connect-proxy",
    ID: "web-sidecar-proxy",
    Service: "web-sidecar-proxy",
    Tags: [],
    Meta: {},
    Port: 21_000,
    Address: "",
    TaggedAddresses: {},
    Weights: { Passing: 1, Warning: 1 },
    EnableTagOverride: false,
    Connect: { Native: false },
    Proxy: {
      DestinationServiceName: "web",
      DestinationServiceID: "web",
      LocalServiceAddress: "127.0.0.1",
      LocalServicePort: 8080,
      Config: {},
      Upstreams: [],
      ...proxy,
    },
    ...fields,
  };
}

export function upstream(overrides: Partial<Upstream> = {}): Upstream {
  return {
    DestinationType: "service",
    DestinationName: "api",
    Datacenter: "",
    LocalBindAddress: "127.0.0.1",
    LocalBindPort: 9191,
    Config: {},
    ...overrides,
  };
}

export function serviceConfig(overrides: Partial<ResolvedServiceConfig> = {}): ResolvedServiceConfig {
  return {
    service: "web",
    protocol: "tcp",
    localConnectTimeoutMs: 0,
    localRequestTimeoutMs: 0,
    maxInboundConnections: 0,
    ...overrides,
  };
}

export function intention(sourceName: string, destinationName: string, action: "allow" | "deny"): Intention {
  const precedence = intentionPrecedence(sourceName, destinationName);
  return { sourceName, destinationName, action, precedence, description: "" };
}

/** A permission as a server passes it on. */
export function permission(Action: "allow" | "deny", http: Partial<IntentionHttp>): IntentionPermission {
  return { Action, HTTP: { PathExact: "", PathPrefix: "", PathRegex: "", Header: [], Methods: [], ...http } };
}

/** A condition for a header. */
export function header(fields: Partial<IntentionHeader>): IntentionHeader {
  const texts = { Exact: "", Prefix: "", Suffix: "", Contains: "", Regex: "" };
  return { Name: "x-a", Present: false, ...texts, Invert: false, IgnoreCase: false, ...fields };
}

interface InstanceOptions {
  readonly address?: string;
  readonly port?: number;
  readonly nodeAddress?: string;
  readonly statuses?: readonly CheckStatus[];
  readonly weights?: { readonly Passing: number; readonly Warning: number };
}

export function instance(id: string, options: InstanceOptions = {}): ServiceInstance {
  const index = { CreateIndex: 1, ModifyIndex: 1 };
  return {
    Node: {
      ID: "",
      Node: `node-${id}`,
      Address: options.nodeAddress ?? "10.0.0.1",
      Datacenter: "dc1",
      TaggedAddresses: {},
      Meta: {},
      ...index,
    },
    Service: {
      ...sidecar({ ID: id, Address: options.address ?? "10.0.0.1", Port: options.port ?? 21_000 }),
      Weights: options.weights ?? { Passing: 1, Warning: 1 },
      Node: `node-${id}`,
      ...index,
    },
    Checks: (options.statuses ?? []).map((status, n) => ({
      Node: `node-${id}`,
      CheckID: `${id}:${n}`,
      Name: "check",
      Status: status,
      Notes: "",
      Output: "",
      ServiceID: id,
      ServiceName: "api-sidecar-proxy",
      ServiceTags: [],
      Type: "tcp",
      Interval: "",
      Timeout: "",
      Definition: {},
      ...index,
    })),
  };
}
