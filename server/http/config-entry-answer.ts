import type { ConfigEntryRecord, MeshEntry } from "../../lib/contract/config-entries.ts";
import { accessLogsAnswer } from "./access-logs-body.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { envoyExtensionsAnswer } from "./envoy-extensions-body.ts";
import { intentionJwtAnswer } from "./intention-jwt-body.ts";
import { jwtProviderAnswer } from "./jwt-provider-entry.ts";
import { permissionAnswer } from "./permission-answer.ts";
import { rateLimitsAnswer } from "./rate-limits-body.ts";
import { serviceResolverAnswer } from "./service-resolver-entry.ts";
import { serviceRouterAnswer } from "./service-router-answer.ts";
import { serviceSplitterAnswer } from "./service-splitter-entry.ts";
import { upstreamConfigAnswer } from "./upstream-config-body.ts";

/** Consul's JSON of a config entry. */
export function configEntryAnswer(entry: ConfigEntryRecord): object {
  return {
    Kind: entry.Kind,
    // There is one mesh: Consul gives its entry no name.
    ...(entry.Kind === "mesh" ? {} : { Name: entry.Name }),
    ...kindFields(entry),
    ...entry.Stated,
    ...unlessEmpty("Meta", entry.Meta),
    CreateIndex: entry.CreateIndex,
    ModifyIndex: entry.ModifyIndex,
  };
}

function kindFields(entry: ConfigEntryRecord): object {
  if ("Fields" in entry) return entry.Fields;
  switch (entry.Kind) {
    case "jwt-provider":
      return jwtProviderAnswer(entry);
    case "mesh":
      return { TransparentProxy: { MeshDestinationsOnly: false }, ...meshHttp(entry) };
    case "proxy-defaults":
      return {
        ...unlessEmpty("Config", entry.Config),
        TransparentProxy: {},
        MeshGateway: {},
        Expose: {},
        AccessLogs: accessLogsAnswer(entry.AccessLogs),
      };
    case "service-defaults":
      return {
        ...unlessEmpty("Protocol", entry.Protocol),
        TransparentProxy: {},
        MeshGateway: {},
        Expose: {},
        ...(entry.UpstreamConfig !== undefined && { UpstreamConfig: upstreamConfigAnswer(entry.UpstreamConfig) }),
        ...unlessEmpty("MaxInboundConnections", entry.MaxInboundConnections),
        ...unlessEmpty("LocalConnectTimeoutMs", entry.LocalConnectTimeoutMs),
        ...unlessEmpty("LocalRequestTimeoutMs", entry.LocalRequestTimeoutMs),
        ...(entry.RateLimits !== undefined && { RateLimits: rateLimitsAnswer(entry.RateLimits) }),
        ...(entry.ExtAuthz !== undefined && { EnvoyExtensions: envoyExtensionsAnswer(entry.ExtAuthz) }),
      };
    case "service-intentions":
      return {
        Sources: entry.Sources.map((source) => ({
          Name: source.Name,
          ...unlessEmpty("Action", source.Action),
          ...(source.Permissions !== undefined && { Permissions: source.Permissions.map(permissionAnswer) }),
          Precedence: source.Precedence,
          Type: source.Type,
          ...unlessEmpty("Description", source.Description),
          ...unlessEmpty("LegacyID", source.LegacyID),
        })),
        ...(entry.JWT !== undefined && { JWT: intentionJwtAnswer(entry.JWT) }),
      };
    case "service-resolver":
      return serviceResolverAnswer(entry);
    case "service-router":
      return serviceRouterAnswer(entry);
    case "service-splitter":
      return serviceSplitterAnswer(entry);
  }
}

/** As Consul writes it: blocks that say nothing are left out, the members of others are all there. */
function meshHttp({ SanitizeXForwardedClientCert, RequestNormalization: normalization }: MeshEntry): object {
  const isNormalizationSet = Object.values(normalization).some((value) => value !== false && value !== "");
  if (!isNormalizationSet && !SanitizeXForwardedClientCert) return {};
  const { PathWithEscapedSlashesAction, HeadersWithUnderscoresAction, ...flags } = normalization;
  const RequestNormalization = {
    ...flags,
    ...unlessEmpty("PathWithEscapedSlashesAction", PathWithEscapedSlashesAction),
    ...unlessEmpty("HeadersWithUnderscoresAction", HeadersWithUnderscoresAction),
  };
  return {
    HTTP: { SanitizeXForwardedClientCert, ...(isNormalizationSet && { Incoming: { RequestNormalization } }) },
  };
}
