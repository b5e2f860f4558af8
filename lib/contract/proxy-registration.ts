import { Type } from "typebox";
import type { Static } from "typebox";
import type { SchemaIssue } from "./schema-issues.ts";
import { isZeroValue } from "./zero-value.ts";

/**
 * What the `Proxy` of a registration may say beside the fields that Atoll's own proxies live by. It is kept and answered as
 * it was written, for the proxies of other programs that are registered here (a data plane on ECS or Kubernetes, a gateway).
 * A sidecar that Atoll itself runs refuses what its proxy would not do: see `unmanagedIssues`.
 */
const optional = Type.Optional;
const Text = optional(Type.String());
const Flag = optional(Type.Boolean());
const Port = optional(Type.Integer({ minimum: 0, maximum: 65_535 }));

const MeshGateway = Type.Object({ Mode: optional(Type.Enum(["", "none", "local", "remote"])) });

const ExposePath = Type.Object({
  ListenerPort: Port,
  Path: Text,
  LocalPathPort: Port,
  Protocol: Text,
  ParsedFromCheck: Flag,
});

const EnvoyExtension = Type.Object({
  Name: Text,
  Required: Flag,
  Arguments: optional(Type.Record(Type.String(), Type.Unknown())),
  ConsulVersion: Text,
  EnvoyVersion: Text,
});

const AccessLogs = Type.Object({
  Enabled: Flag,
  DisableListenerLogs: Flag,
  Type: Text,
  Path: Text,
  JSONFormat: Text,
  TextFormat: Text,
});

/** Properties of the schema of a `Proxy`, whether it is a body, a file or a message. */
export const proxyExtraFields = {
  LocalServiceSocketPath: Text,
  Mode: optional(Type.Enum(["", "direct", "transparent"])),
  TransparentProxy: optional(Type.Object({ OutboundListenerPort: Port, DialedDirectly: Flag })),
  MutualTLSMode: optional(Type.Enum(["", "default", "strict", "permissive"])),
  MeshGateway: optional(MeshGateway),
  Expose: optional(Type.Object({ Checks: Flag, Paths: optional(Type.Array(ExposePath, { maxItems: 1_000 })) })),
  EnvoyExtensions: optional(Type.Array(EnvoyExtension, { maxItems: 256 })),
  AccessLogs: optional(AccessLogs),
};

/** The same of an upstream. */
export const upstreamExtraFields = {
  DestinationPeer: Text,
  LocalBindSocketPath: Text,
  LocalBindSocketMode: Text,
  MeshGateway: optional(MeshGateway),
};

const ProxyExtrasSchema = Type.Object(proxyExtraFields);
const UpstreamExtrasSchema = Type.Object(upstreamExtraFields);
export type ProxyExtras = Readonly<Static<typeof ProxyExtrasSchema>>;
export type UpstreamExtras = Readonly<Static<typeof UpstreamExtrasSchema>>;

/** Of a decoded body, the fields above that say something: a record without them stays what it was. */
export function readProxyExtras(raw: ProxyExtras): ProxyExtras {
  return {
    ...(raw.LocalServiceSocketPath && { LocalServiceSocketPath: raw.LocalServiceSocketPath }),
    ...(raw.Mode && { Mode: raw.Mode }),
    ...(raw.TransparentProxy && !isZeroValue(raw.TransparentProxy) && { TransparentProxy: raw.TransparentProxy }),
    ...(raw.MutualTLSMode && { MutualTLSMode: raw.MutualTLSMode }),
    ...(raw.MeshGateway?.Mode && { MeshGateway: raw.MeshGateway }),
    ...(raw.Expose && !isZeroValue(raw.Expose) && { Expose: raw.Expose }),
    ...(raw.EnvoyExtensions && raw.EnvoyExtensions.length > 0 && { EnvoyExtensions: raw.EnvoyExtensions }),
    ...(raw.AccessLogs && !isZeroValue(raw.AccessLogs) && { AccessLogs: raw.AccessLogs }),
  };
}

export function readUpstreamExtras(raw: UpstreamExtras): UpstreamExtras {
  return {
    ...(raw.DestinationPeer && { DestinationPeer: raw.DestinationPeer }),
    ...(raw.LocalBindSocketPath && { LocalBindSocketPath: raw.LocalBindSocketPath }),
    ...(raw.LocalBindSocketMode && { LocalBindSocketMode: raw.LocalBindSocketMode }),
    ...(raw.MeshGateway?.Mode && { MeshGateway: raw.MeshGateway }),
  };
}

type Managed = ProxyExtras & {
  readonly Upstreams?: readonly (UpstreamExtras & { readonly DestinationType: string })[];
};

/**
 * What a sidecar that Atoll runs cannot do although it was asked: keeping it would let people believe that it is done.
 * `MeshGateway` is not among them, since it says nothing about traffic within one datacenter.
 */
export function unmanagedIssues(proxy: Managed): SchemaIssue[] {
  const asked: readonly (readonly [unknown, string, string])[] = [
    [proxy.Mode === "transparent", "Mode", '"transparent" is not supported by this version: name each upstream'],
    [proxy.TransparentProxy, "TransparentProxy", "is not supported by this version: name each upstream"],
    [proxy.LocalServiceSocketPath, "LocalServiceSocketPath", "is not supported by this version; use LocalServicePort"],
    [proxy.Expose, "Expose", "is not supported by this version: a sidecar lets nothing in without mTLS"],
    [proxy.MutualTLSMode === "permissive", "MutualTLSMode", '"permissive" is not supported by this version'],
    [proxy.EnvoyExtensions, "EnvoyExtensions", "is taken from service-defaults only: write it there"],
    [proxy.AccessLogs, "AccessLogs", "is taken from proxy-defaults only: write it there"],
    ...(proxy.Upstreams ?? []).flatMap((upstream, i) => upstreamAsked(upstream, `Upstreams[${i}]`)),
  ];
  return asked.flatMap(([isAsked, path, message]) => (isZeroValue(isAsked) ? [] : [{ path, message }]));
}

function upstreamAsked(
  upstream: UpstreamExtras & { readonly DestinationType: string },
  path: string,
): readonly (readonly [unknown, string, string])[] {
  const isQuery = upstream.DestinationType === "prepared_query";
  return [
    [isQuery, `${path}.DestinationType`, '"prepared_query" is not supported by this version; use "service"'],
    [
      upstream.LocalBindSocketPath,
      `${path}.LocalBindSocketPath`,
      "is not supported by this version; use LocalBindPort",
    ],
    [upstream.DestinationPeer, `${path}.DestinationPeer`, "peering is not supported by this version"],
  ];
}
