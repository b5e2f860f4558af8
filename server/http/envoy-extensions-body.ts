import { Type } from "typebox";
import type { Static } from "typebox";
import { Compile } from "typebox/compile";
import Value from "typebox/value";
import { canonicalKeys } from "../../lib/contract/canonical-keys.ts";
import {
  type ExtAuthzArguments,
  ExtAuthzArgumentsSchema,
  extAuthzConfig,
  type ExtAuthzExtension,
} from "../../lib/contract/ext-authz-extension.ts";
import { extAuthzIssues, ExtAuthzSchema } from "../../lib/contract/proxy-ext-authz.ts";
import { formatIssues, schemaIssues } from "../../lib/contract/schema-issues.ts";
import { isZeroValue } from "../../lib/contract/zero-value.ts";
import { unlessEmpty } from "./catalog-answers.ts";
import { Anything, Flag, refusal, Text } from "./entry-fields.ts";

/** `EnvoyExtensions` of a `service-defaults` entry. Only one of them has its like in our proxy. */
export const EnvoyExtensionsBody = Type.Optional(
  Type.Array(
    Type.Object({ Name: Text, Required: Flag, Arguments: Anything, ConsulVersion: Anything, EnvoyVersion: Anything }),
    { maxItems: 16 },
  ),
);

const extAuthzName = "builtin/ext-authz";
const argumentsValidator = Compile(ExtAuthzArgumentsSchema);
const documentValidator = Compile(ExtAuthzSchema);

/** Undefined where there is none. */
export function decodeEnvoyExtensions(
  body: Static<typeof EnvoyExtensionsBody> | undefined,
): ExtAuthzExtension | undefined {
  const [extension, second] = body ?? [];
  if (extension === undefined) return undefined;
  const path = "EnvoyExtensions[0]";
  for (const [i, { Name = "" }] of (body ?? []).entries()) {
    if (Name === extAuthzName) continue;
    throw refusal(`EnvoyExtensions[${i}]: "${Name}" is not supported by this version, which has ${extAuthzName}`);
  }
  if (second !== undefined) throw refusal(`EnvoyExtensions[1]: ${extAuthzName} can be there once`);
  for (const field of ["ConsulVersion", "EnvoyVersion"] as const) {
    if (!isZeroValue(extension[field])) throw unsupported(`${path}.${field}`);
  }
  const decoded: ExtAuthzExtension = {
    Required: extension.Required ?? false,
    Arguments: decodeArguments(extension.Arguments ?? {}, `${path}.Arguments`),
  };
  checkDocument(decoded, `${path}.Arguments`);
  return decoded;
}

function decodeArguments(given: unknown, path: string): ExtAuthzArguments {
  const { value, unknownFields, issues } = canonicalKeys(ExtAuthzArgumentsSchema, given);
  const [unknown] = unknownFields;
  if (unknown !== undefined) throw refusal(`invalid config key "${path}.${unknown}"`);
  const all = [...issues, ...schemaIssues(argumentsValidator, value)];
  if (all.length > 0 || !argumentsValidator.Check(value)) throw refusal(`${path}.${formatIssues(all)}`);
  const { ProxyType, ListenerType, InsertOptions, Config } = value;
  if (ProxyType && ProxyType !== "connect-proxy") throw unsupported(`${path}.ProxyType "${ProxyType}"`);
  if (ListenerType && ListenerType !== "inbound") throw unsupported(`${path}.ListenerType "${ListenerType}"`);
  if (!isZeroValue(InsertOptions)) throw unsupported(`${path}.InsertOptions`);
  if (Config !== undefined) checkConfig(Config, `${path}.Config`);
  return value;
}

function checkConfig(config: NonNullable<ExtAuthzArguments["Config"]>, path: string): void {
  const { GrpcService: grpc, HttpService: http } = config;
  if ((grpc === undefined) === (http === undefined)) {
    throw refusal(`${path}: exactly one of GrpcService or HttpService must be set`);
  }
  const unused = {
    BootstrapMetadataLabelsKey: config.BootstrapMetadataLabelsKey,
    MetadataContextNamespaces: config.MetadataContextNamespaces,
    WithRequestBody: config.WithRequestBody,
    "GrpcService.InitialMetadata": grpc?.InitialMetadata,
    "GrpcService.Target.Service": grpc?.Target?.Service,
    "HttpService.Target.Service": http?.Target?.Service,
    "HttpService.AuthorizationRequest.HeadersToAdd": http?.AuthorizationRequest?.HeadersToAdd,
    "HttpService.AuthorizationResponse.DynamicMetadataFromHeaders":
      http?.AuthorizationResponse?.DynamicMetadataFromHeaders,
  };
  for (const [field, value] of Object.entries(unused)) if (!isZeroValue(value)) throw unsupported(`${path}.${field}`);
  const { StatPrefix, TransportApiVersion = "" } = config;
  if (StatPrefix && StatPrefix !== "response") throw unsupported(`${path}.StatPrefix "${StatPrefix}"`);
  if (!["", "v3", "auto"].includes(TransportApiVersion.toLowerCase())) {
    throw unsupported(`${path}.TransportApiVersion "${TransportApiVersion}"`);
  }
  checkUri(
    grpc?.Target?.URI ?? http?.Target?.URI ?? "",
    `${path}.${grpc === undefined ? "Http" : "Grpc"}Service.Target`,
  );
  const lists = { ...http?.AuthorizationRequest, ...http?.AuthorizationResponse };
  for (const [field, matchers] of Object.entries(lists)) {
    if (Array.isArray(matchers))
      for (const [i, one] of matchers.entries()) checkMatcher(one, `${path}: ${field}[${i}]`);
  }
}

/** Consul's rule: whoever is elsewhere would be asked without TLS. */
function checkUri(uri: string, path: string): void {
  if (/^(?:[a-z]+:\/\/)?(?:localhost|127\.0\.0\.1):\d{1,5}$/.test(uri)) return;
  throw refusal(`${path}.URI must be localhost or 127.0.0.1 with a port, found "${uri}"`);
}

function checkMatcher(matcher: object, path: string): void {
  const { IgnoreCase: _, ...conditions }: { IgnoreCase?: unknown } = matcher;
  if (Object.values(conditions).filter((value) => value !== "").length === 1) return;
  throw refusal(`${path}: exactly one of Contains, Exact, Prefix, SafeRegex or Suffix must be set`);
}

/** What a proxy could not use must not get as far as its document. */
function checkDocument(extension: ExtAuthzExtension, path: string): void {
  const document: unknown = Value.Default(ExtAuthzSchema, structuredClone(extAuthzConfig(extension)));
  const issues = documentValidator.Check(document)
    ? extAuthzIssues("extAuthz", document, "http")
    : schemaIssues(documentValidator, document).map((issue) => ({ ...issue, path: `extAuthz.${issue.path}` }));
  if (issues.length > 0) throw refusal(`a proxy could not use these ${path}: ${formatIssues(issues)}`);
}

function unsupported(field: string): Error {
  return refusal(`${field} is not supported by this version: leave it out of the service-defaults entry`);
}

/** Consul's JSON. */
export function envoyExtensionsAnswer({ Required, Arguments }: ExtAuthzExtension): object[] {
  return [{ Name: extAuthzName, ...(Required && { Required }), ...unlessEmpty("Arguments", { ...Arguments }) }];
}
