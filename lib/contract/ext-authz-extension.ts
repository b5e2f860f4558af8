import { Type } from "typebox";
import type { Static } from "typebox";
import { parseDurationMs } from "../base/duration.ts";
import type { NamePattern } from "./proxy-ext-authz.ts";

/** `builtin/ext-authz` of Consul's `EnvoyExtensions`: who is asked about the requests that a service's instances take. */
const Text = Type.Optional(Type.String());
const Flag = Type.Optional(Type.Boolean());
const Anything = Type.Optional(Type.Unknown());

const Matcher = Type.Object({
  Contains: Text,
  Exact: Text,
  Prefix: Text,
  SafeRegex: Text,
  Suffix: Text,
  /** Names of fields are the same in any case. */
  IgnoreCase: Flag,
});
const Matchers = Type.Optional(Type.Array(Matcher, { maxItems: 64 }));
const Target = Type.Optional(Type.Object({ URI: Text, Timeout: Text, Service: Anything }));

export const ExtAuthzArgumentsSchema = Type.Object({
  ProxyType: Text,
  ListenerType: Text,
  InsertOptions: Anything,
  Config: Type.Optional(
    Type.Object({
      GrpcService: Type.Optional(Type.Object({ Target, Authority: Text, InitialMetadata: Anything })),
      HttpService: Type.Optional(
        Type.Object({
          Target,
          PathPrefix: Text,
          AuthorizationRequest: Type.Optional(Type.Object({ AllowedHeaders: Matchers, HeadersToAdd: Anything })),
          AuthorizationResponse: Type.Optional(
            Type.Object({
              AllowedUpstreamHeaders: Matchers,
              AllowedUpstreamHeadersToAppend: Matchers,
              AllowedClientHeaders: Matchers,
              AllowedClientHeadersOnSuccess: Matchers,
              DynamicMetadataFromHeaders: Anything,
            }),
          ),
        }),
      ),
      BootstrapMetadataLabelsKey: Anything,
      ClearRouteCache: Flag,
      IncludePeerCertificate: Flag,
      MetadataContextNamespaces: Anything,
      StatusOnError: Type.Optional(Type.Integer()),
      StatPrefix: Text,
      TransportApiVersion: Text,
      WithRequestBody: Anything,
    }),
  ),
});
export type ExtAuthzArguments = Static<typeof ExtAuthzArgumentsSchema>;

export interface ExtAuthzExtension {
  /** Whether requests are denied when the authorizer cannot be asked; else they go on, as in Consul. */
  readonly Required: boolean;
  readonly Arguments: ExtAuthzArguments;
}

/** The `extAuthz` of a listener, without what is the document's default. The arguments were checked when they were written. */
export function extAuthzConfig({ Required, Arguments: { Config = {} } }: ExtAuthzExtension) {
  const { GrpcService: grpc, HttpService: http } = Config;
  const { AllowedHeaders } = http?.AuthorizationRequest ?? {};
  const timeoutMs = targetTimeoutMs(grpc?.Target ?? http?.Target);
  const answer = http?.AuthorizationResponse ?? {};
  return {
    ...(grpc !== undefined && {
      grpc: { address: targetAddress(grpc.Target), ...(grpc.Authority && { authority: grpc.Authority }) },
    }),
    ...(http !== undefined && {
      http: {
        address: targetAddress(http.Target),
        ...(http.PathPrefix && { pathPrefix: http.PathPrefix }),
        allowedUpstreamHeaders: namePatterns(answer.AllowedUpstreamHeaders),
        allowedUpstreamHeadersToAppend: namePatterns(answer.AllowedUpstreamHeadersToAppend),
        allowedClientHeaders: namePatterns(answer.AllowedClientHeaders),
        allowedClientHeadersOnSuccess: namePatterns(answer.AllowedClientHeadersOnSuccess),
      },
    }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    failureModeAllow: !Required,
    ...(Config.StatusOnError !== undefined && { statusOnError: Config.StatusOnError }),
    ...(AllowedHeaders !== undefined && { allowedHeaders: namePatterns(AllowedHeaders) }),
    ...(Config.IncludePeerCertificate !== undefined && { includePeerCertificate: Config.IncludePeerCertificate }),
  };
}

/** `host:port` of a URI, whose scheme nobody reads; empty when there is none. */
function targetAddress(target: Static<typeof Target> | undefined): string {
  const uri = target?.URI ?? "";
  const scheme = uri.indexOf("://");
  const address = scheme < 0 ? uri : uri.slice(scheme + "://".length);
  return address.replace(/^localhost:/, "127.0.0.1:");
}

/** Undefined for the default, and NaN for what is none. */
function targetTimeoutMs(target: Static<typeof Target> | undefined): number | undefined {
  const given = target?.Timeout ?? "";
  return given === "" ? undefined : Math.ceil(parseDurationMs(given) ?? Number.NaN);
}

function namePatterns(matchers: Static<typeof Matchers> | undefined): NamePattern[] {
  return (matchers ?? []).map(({ Contains, Exact, Prefix, SafeRegex, Suffix }) => {
    if (Contains) return { type: "contains", value: Contains };
    if (Prefix) return { type: "prefix", value: Prefix };
    if (SafeRegex) return { type: "regex", value: SafeRegex };
    if (Suffix) return { type: "suffix", value: Suffix };
    return { type: "exact", value: Exact ?? "" };
  });
}
