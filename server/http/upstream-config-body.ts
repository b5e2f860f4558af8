import { Type } from "typebox";
import type { Static } from "typebox";
import type { UpstreamConfig, UpstreamDefaults } from "../../lib/contract/upstream-config.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { Anything, Count, mustProtocol, refusal, refuseTenancy, Text } from "./entry-fields.ts";

/** `UpstreamConfig` of a `service-defaults` entry. */
const Upstream = Type.Object({
  Name: Text,
  Namespace: Text,
  Partition: Text,
  Peer: Anything,
  Protocol: Text,
  ConnectTimeoutMs: Count,
  /** Consul's numbers are pointers: 0 would be no connection at all, which nobody means. */
  Limits: Type.Optional(
    Type.Object({ MaxConnections: Count, MaxPendingRequests: Anything, MaxConcurrentRequests: Anything }),
  ),
  PassiveHealthCheck: Anything,
  MeshGateway: Anything,
  BalanceOutboundConnections: Anything,
  EnvoyListenerJSON: Anything,
  EnvoyClusterJSON: Anything,
});
export const UpstreamConfigBody = Type.Optional(
  Type.Object({
    Defaults: Type.Optional(Upstream),
    Overrides: Type.Optional(Type.Array(Upstream, { maxItems: 1_000 })),
  }),
);
type UpstreamBody = Static<typeof Upstream>;

/** Undefined where nothing is said. */
export function decodeUpstreamConfig(body: Static<typeof UpstreamConfigBody> | undefined): UpstreamConfig | undefined {
  const path = "UpstreamConfig";
  const defaults = isZeroValue(body?.Defaults) ? undefined : body?.Defaults;
  if (defaults?.Name) throw refusal(`${path}.Defaults.Name must be left out: defaults are of every upstream`);
  const Overrides = (body?.Overrides ?? []).map((override, i) => {
    const at = `${path}.Overrides[${i}]`;
    const Name = override.Name ?? "";
    if (Name === "") throw refusal(`${at}.Name is required`);
    if ((body?.Overrides ?? []).findIndex((other) => other.Name === Name) < i) {
      throw refusal(`${at}: "${Name}" is overridden more than once`);
    }
    return { Name, ...upstreamDefaults(override, at) };
  });
  if (defaults === undefined && Overrides.length === 0) return undefined;
  return { ...(defaults !== undefined && { Defaults: upstreamDefaults(defaults, `${path}.Defaults`) }), Overrides };
}

function upstreamDefaults(body: UpstreamBody, path: string): UpstreamDefaults {
  refuseTenancy(body, `${path}.`);
  for (const field of ["MaxPendingRequests", "MaxConcurrentRequests"] as const) {
    if (!isZeroValue(body.Limits?.[field])) throw unsupported(`${path}.Limits.${field}`);
  }
  for (const field of unsupportedFields) if (!isZeroValue(body[field])) throw unsupported(`${path}.${field}`);
  const mode = JSON.stringify(body.MeshGateway ?? {});
  if (!isZeroValue(body.MeshGateway) && mode !== '{"Mode":"none"}') throw unsupported(`${path}.MeshGateway`);
  return {
    Protocol: body.Protocol ? mustProtocol(`${path}.Protocol`, body.Protocol) : "",
    ConnectTimeoutMs: body.ConnectTimeoutMs ?? 0,
    MaxConnections: body.Limits?.MaxConnections ?? 0,
  };
}

const unsupportedFields = [
  "Peer",
  "PassiveHealthCheck",
  "BalanceOutboundConnections",
  "EnvoyListenerJSON",
  "EnvoyClusterJSON",
] as const;

function unsupported(field: string): Error {
  return refusal(`${field} is not supported by this version: leave it out of the service-defaults entry`);
}

/** Consul's JSON. */
export function upstreamConfigAnswer({ Defaults, Overrides }: UpstreamConfig): object {
  return {
    ...(Defaults !== undefined && { Defaults: defaultsAnswer(Defaults) }),
    ...unlessEmpty(
      "Overrides",
      Overrides.map((override) => ({ Name: override.Name, ...defaultsAnswer(override) })),
    ),
  };
}

function defaultsAnswer({ Protocol, ConnectTimeoutMs, MaxConnections }: UpstreamDefaults): object {
  return {
    ...unlessEmpty("Protocol", Protocol),
    ...unlessEmpty("ConnectTimeoutMs", ConnectTimeoutMs),
    ...(MaxConnections > 0 && { Limits: { MaxConnections } }),
    MeshGateway: {},
  };
}
