import { Type } from "typebox";
import type { Static } from "typebox";
import { hasLimits, type UpstreamConfig, type UpstreamDefaults } from "../../lib/contract/upstream-config.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { Anything, Count, mustProtocol, refusal, refuseTenancy, Text } from "./entry-fields.ts";
import {
  decodePassiveHealthCheck,
  passiveHealthCheckAnswer,
  PassiveHealthCheckBody,
} from "./passive-health-check-body.ts";

/** `UpstreamConfig` of a `service-defaults` entry. */
const Upstream = Type.Object({
  Name: Text,
  Namespace: Text,
  Partition: Text,
  Peer: Anything,
  Protocol: Text,
  ConnectTimeoutMs: Count,
  /** Consul's numbers are pointers: 0 would be no connection and no request at all, which nobody means. */
  Limits: Type.Optional(
    Type.Object({ MaxConnections: Count, MaxPendingRequests: Count, MaxConcurrentRequests: Count }),
  ),
  PassiveHealthCheck: PassiveHealthCheckBody,
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
  for (const field of unsupportedFields) if (!isZeroValue(body[field])) throw unsupported(`${path}.${field}`);
  const mode = JSON.stringify(body.MeshGateway ?? {});
  if (!isZeroValue(body.MeshGateway) && mode !== '{"Mode":"none"}') throw unsupported(`${path}.MeshGateway`);
  const { MaxConnections, MaxPendingRequests, MaxConcurrentRequests } = body.Limits ?? {};
  const PassiveHealthCheck = decodePassiveHealthCheck(body.PassiveHealthCheck, `${path}.PassiveHealthCheck`);
  return {
    Protocol: body.Protocol ? mustProtocol(`${path}.Protocol`, body.Protocol) : "",
    ConnectTimeoutMs: body.ConnectTimeoutMs ?? 0,
    MaxConnections: MaxConnections ?? 0,
    ...(MaxPendingRequests && { MaxPendingRequests }),
    ...(MaxConcurrentRequests && { MaxConcurrentRequests }),
    ...(PassiveHealthCheck !== undefined && { PassiveHealthCheck }),
  };
}

const unsupportedFields = ["Peer", "BalanceOutboundConnections", "EnvoyListenerJSON", "EnvoyClusterJSON"] as const;

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

function defaultsAnswer(said: UpstreamDefaults): object {
  const { MaxConnections, MaxPendingRequests, MaxConcurrentRequests, PassiveHealthCheck } = said;
  return {
    ...unlessEmpty("Protocol", said.Protocol),
    ...unlessEmpty("ConnectTimeoutMs", said.ConnectTimeoutMs),
    ...(hasLimits(said) && {
      Limits: {
        ...unlessEmpty("MaxConnections", MaxConnections),
        ...unlessEmpty("MaxPendingRequests", MaxPendingRequests ?? 0),
        ...unlessEmpty("MaxConcurrentRequests", MaxConcurrentRequests ?? 0),
      },
    }),
    ...(PassiveHealthCheck !== undefined && { PassiveHealthCheck: passiveHealthCheckAnswer(PassiveHealthCheck) }),
    MeshGateway: {},
  };
}
