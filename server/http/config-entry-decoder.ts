import type { Static, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { canonicalKeys } from "../../lib/contract/canonical-keys.ts";
import { configEntryKinds } from "../../lib/contract/config-entries.ts";
import type { ConfigEntry, ConfigEntryKind } from "../../lib/contract/config-entries.ts";
import { wildcard } from "../../lib/contract/intentions.ts";
import { readProxySettings } from "../../lib/contract/proxy-settings.ts";
import { isKeptKind } from "../../lib/contract/kept-entries.ts";
import { formatIssues, schemaIssues } from "../../lib/contract/schema-issues.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import { decodeAccessLogs } from "./access-logs-body.ts";
import {
  foreignKinds,
  MeshBody,
  ProxyDefaultsBody,
  ServiceDefaultsBody,
  ServiceIntentionsBody,
  unsupportedFields,
} from "./config-entry-schema.ts";
import { entryBase, mustProtocol, refusal } from "./entry-fields.ts";
import { decodeEnvoyExtensions } from "./envoy-extensions-body.ts";
import { decodeIntentionJwt } from "./intention-jwt-body.ts";
import { decodeJwtProvider, JwtProviderBody } from "./jwt-provider-entry.ts";
import { keptDecoders } from "./kept-entries.ts";
import { decodeRateLimits } from "./rate-limits-body.ts";
import { decodeServiceResolver, ServiceResolverBody } from "./service-resolver-entry.ts";
import { decodeServiceRouter, ServiceRouterBody } from "./service-router-entry.ts";
import { decodeServiceSplitter, ServiceSplitterBody } from "./service-splitter-entry.ts";
import { sourceIntention } from "./source-intention.ts";
import { decodeUpstreamConfig } from "./upstream-config-body.ts";

/** Makes a config entry of what a client wrote, or throws `INVALID_ARGUMENT` in Consul's words. */
export function decodeConfigEntry(document: unknown): ConfigEntry {
  const kind = mustKind(kindOf(document));
  if (isKeptKind(kind)) {
    const { schema, decode: decodeKept } = keptDecoders[kind];
    return decodeKept(decode({ kind, schema, document }));
  }
  switch (kind) {
    case "jwt-provider":
      return decodeJwtProvider(decode({ kind, schema: JwtProviderBody, document }));
    case "mesh":
      return mesh(decode({ kind, schema: MeshBody, document }));
    case "proxy-defaults":
      return proxyDefaults(decode({ kind, schema: ProxyDefaultsBody, document }));
    case "service-defaults":
      return serviceDefaults(decode({ kind, schema: ServiceDefaultsBody, document }));
    case "service-intentions":
      return serviceIntentions(decode({ kind, schema: ServiceIntentionsBody, document }));
    case "service-resolver":
      return decodeServiceResolver(decode({ kind, schema: ServiceResolverBody, document }));
    case "service-router":
      return decodeServiceRouter(decode({ kind, schema: ServiceRouterBody, document }));
    case "service-splitter":
      return decodeServiceSplitter(decode({ kind, schema: ServiceSplitterBody, document }));
  }
}

/** The kind named in a path or body, if this version has it. */
export function mustKind(text: string): ConfigEntryKind {
  const kind = configEntryKinds.find((known) => known === text);
  if (kind !== undefined) return kind;
  if (!foreignKinds.includes(text)) throw refusal(`invalid config entry kind: ${text}`);
  if (text === "sameness-group") throw refusal("sameness-groups are an enterprise-only feature");
  throw refusal(`config entry kind "${text}" is written by the servers alone`);
}

function kindOf(document: unknown): string {
  const isObject = typeof document === "object" && document !== null && !Array.isArray(document);
  const entry = isObject ? Object.entries(document).find(([key]) => key.toLowerCase() === "kind") : undefined;
  if (entry === undefined) throw refusal("Payload does not contain a kind/Kind key at the top level");
  const [, kind] = entry;
  if (typeof kind !== "string") throw refusal("Kind value in payload is not a string");
  return kind;
}

function decode<S extends TSchema>(input: { kind: ConfigEntryKind; schema: S; document: unknown }): Static<S> {
  const { kind, schema } = input;
  const { value, unknownFields, issues } = canonicalKeys(schema, input.document);
  const [unknown] = unknownFields;
  if (unknown !== undefined) throw refusal(`invalid config key "${unknown}"`);
  const validator = Compile(schema);
  const all = [...issues, ...schemaIssues(validator, value)];
  if (all.length > 0 || !validator.Check(value)) throw refusal(formatIssues(all));
  refuseUnsupported(kind, value);
  return value;
}

/** Settings that say what this version does anyway. */
const harmless: Readonly<Record<string, readonly string[]>> = {
  Mode: ["direct"],
  MutualTLSMode: ["default", "strict"],
  MeshGateway: ['{"Mode":"none"}'],
  // Proxies reach nothing but the mesh.
  TransparentProxy: ['{"MeshDestinationsOnly":true}', '{"MeshDestinationsOnly":false}'],
};

function refuseUnsupported(kind: ConfigEntryKind, value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const [field, given] of Object.entries(value)) {
    if (!unsupportedFields[kind]?.includes(field) || isZeroValue(given)) continue;
    const text = typeof given === "string" ? given : JSON.stringify(given);
    if (harmless[field]?.includes(text)) continue;
    throw refusal(`${field} is not supported by this version: leave it out of the ${kind} entry`);
  }
}

function stated(kind: ConfigEntryKind, body: object): Pick<ConfigEntry, "Stated"> {
  const fields = Object.entries(body).filter(
    ([field, given]) => unsupportedFields[kind]?.includes(field) && !isZeroValue(given),
  );
  return fields.length === 0 ? {} : { Stated: Object.fromEntries(fields) };
}

function mesh(body: Static<typeof MeshBody>): ConfigEntry {
  const name = body.Name || "mesh";
  if (name !== "mesh") throw refusal(`invalid name ("${name}"), only "mesh" is supported`);
  const given = body.HTTP?.Incoming?.RequestNormalization ?? {};
  return {
    Kind: "mesh",
    ...entryBase(body, name),
    ...stated("mesh", body),
    SanitizeXForwardedClientCert: body.HTTP?.SanitizeXForwardedClientCert ?? false,
    RequestNormalization: {
      InsecureDisablePathNormalization: given.InsecureDisablePathNormalization ?? false,
      MergeSlashes: given.MergeSlashes ?? false,
      PathWithEscapedSlashesAction: given.PathWithEscapedSlashesAction ?? "",
      HeadersWithUnderscoresAction: given.HeadersWithUnderscoresAction ?? "",
    },
  };
}

function proxyDefaults(body: Static<typeof ProxyDefaultsBody>): ConfigEntry {
  const name = body.Name || "global";
  if (name !== "global") throw refusal(`invalid name ("${name}"), only "global" is supported`);
  const config = body.Config ?? {};
  const protocol = config["protocol"];
  if (protocol !== undefined) mustProtocol("Config.protocol", protocol);
  const [issue] = readProxySettings(config).issues;
  if (issue !== undefined) throw refusal(`Config.${formatIssues([issue])}`);
  const AccessLogs = decodeAccessLogs(body.AccessLogs);
  return {
    Kind: "proxy-defaults",
    ...entryBase(body, name),
    ...stated("proxy-defaults", body),
    Config: config,
    ...(AccessLogs !== undefined && { AccessLogs }),
  };
}

function serviceDefaults(body: Static<typeof ServiceDefaultsBody>): ConfigEntry {
  const UpstreamConfig = decodeUpstreamConfig(body.UpstreamConfig);
  const RateLimits = decodeRateLimits(body.RateLimits);
  const ExtAuthz = decodeEnvoyExtensions(body.EnvoyExtensions);
  return {
    Kind: "service-defaults",
    ...entryBase(body, body.Name ?? ""),
    ...stated("service-defaults", body),
    Protocol: body.Protocol ? mustProtocol("Protocol", body.Protocol) : "",
    MaxInboundConnections: body.MaxInboundConnections ?? 0,
    LocalConnectTimeoutMs: body.LocalConnectTimeoutMs ?? 0,
    LocalRequestTimeoutMs: body.LocalRequestTimeoutMs ?? 0,
    ...(UpstreamConfig !== undefined && { UpstreamConfig }),
    ...(RateLimits !== undefined && { RateLimits }),
    ...(ExtAuthz !== undefined && { ExtAuthz }),
  };
}

function serviceIntentions(body: Static<typeof ServiceIntentionsBody>): ConfigEntry {
  const names = entryBase(body, body.Name ?? "");
  const sources = (body.Sources ?? []).map((source, i) =>
    sourceIntention(source, { destination: names.Name, path: `Sources[${i}].` }),
  );
  const JWT = decodeIntentionJwt(body.JWT, "JWT");
  if (JWT !== undefined && names.Name === wildcard) {
    throw refusal("JWT is not supported on intentions with wildcarded destinations: write it for each service");
  }
  return { Kind: "service-intentions", ...names, Sources: sources, ...(JWT !== undefined && { JWT }) };
}
