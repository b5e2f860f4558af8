import { Type } from "typebox";
import type { Static } from "typebox";
import { compileRegex } from "../base/linear-regex.ts";
import { parseHostPort } from "./address.ts";
import { FieldMatchSchema, matchIssues, MethodsSchema, PathMatchSchema } from "./proxy-match.ts";
import type { SchemaIssue } from "./schema-issues.ts";
import { compileSpiffePattern } from "./spiffe.ts";

/**
 * Who is asked about requests that the intentions allow: Envoy's `ext_authz` filter, with its names and defaults. Bodies are not sent on
 * (Envoy's `with_request_body`): an authorizer decides by heads.
 */
const closed = { additionalProperties: false } as const;
const Address = Type.String({ minLength: 1, maxLength: 300, description: "host:port of the authorizer" });

const NamePattern = Type.Object(
  {
    type: Type.Enum(["exact", "prefix", "suffix", "contains", "regex"], {
      description: "how the name is compared, in any case; regex is an RE2 expression for all of it",
    }),
    value: Type.String({ minLength: 1, maxLength: 256, description: "what it is compared with" }),
  },
  closed,
);
const maxPatterns = 64;
const NamePatterns = (description: string) =>
  Type.Array(NamePattern, { maxItems: maxPatterns, default: [], description });

const AuthorizerTls = Type.Optional(
  Type.Object(
    {
      serverName: Type.String({ minLength: 1, maxLength: 253, description: "sent, and checked against its DNS names" }),
      peerIdentity: Type.String({ minLength: 1, description: "SPIFFE id or pattern of its certificate" }),
    },
    {
      ...closed,
      description: "mutual TLS with the proxy's own identity, as with any service of the mesh; plain when absent",
    },
  ),
);

const Grpc = Type.Object(
  {
    address: Address,
    authority: Type.Optional(
      Type.String({
        pattern: "^[A-Za-z0-9._:\\[\\]-]+$",
        maxLength: 300,
        description: "the :authority of checks; the address when absent",
      }),
    ),
    tls: AuthorizerTls,
  },
  { ...closed, description: "envoy.service.auth.v3.Authorization/Check, over HTTP/2 with prior knowledge or TLS" },
);

const Http = Type.Object(
  {
    address: Address,
    pathPrefix: Type.String({
      pattern: "^(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?$",
      maxLength: 1_024,
      default: "",
      description: "before the path of the request that is asked about",
    }),
    tls: AuthorizerTls,
    allowedUpstreamHeaders: NamePatterns("fields of its answer that the application gets, in the place of those there"),
    allowedUpstreamHeadersToAppend: NamePatterns("fields of its answer that the application gets as one more line"),
    allowedClientHeaders: NamePatterns(
      "fields of a denial that the client gets, beside location and www-authenticate; all of them when empty",
    ),
    allowedClientHeadersOnSuccess: NamePatterns("fields of its answer that the client gets with the application's"),
  },
  { ...closed, description: "the request's head without a body, over HTTP/1.1: 200 allows, 5xx is a failure" },
);

/** All of its conditions hold, in every reading of the path: what may not be asked about is what nobody could take for something else. */
const Bypass = Type.Object(
  {
    path: Type.Optional(PathMatchSchema),
    headers: Type.Array(FieldMatchSchema, { maxItems: 64, default: [], description: "all of them" }),
    methods: MethodsSchema,
  },
  closed,
);

export const ExtAuthzSchema = Type.Object(
  {
    grpc: Type.Optional(Grpc),
    http: Type.Optional(Http),
    timeoutMs: Type.Integer({
      minimum: 1,
      maximum: 60_000,
      default: 200,
      description: "for one check, the connection included",
    }),
    failureModeAllow: Type.Boolean({
      default: false,
      description:
        "whether requests go on when the authorizer cannot be asked, is late, or answers what cannot be read",
    }),
    statusOnError: Type.Integer({
      minimum: 400,
      maximum: 599,
      default: 403,
      description: "the answer to requests that do not go on then",
    }),
    allowedHeaders: Type.Optional(
      Type.Array(NamePattern, {
        maxItems: maxPatterns,
        description:
          "fields of the request that are sent; when absent all of them by gRPC; by HTTP none but authorization, which always is",
      }),
    ),
    disallowedHeaders: NamePatterns("fields of the request that are never sent, whatever is allowed"),
    includePeerCertificate: Type.Boolean({
      default: false,
      description: "gRPC: the caller's certificate as source.certificate, URL-encoded PEM",
    }),
    encodeRawHeaders: Type.Boolean({
      default: false,
      description: "gRPC: fields as header_map, line by line and byte by byte, in the place of headers",
    }),
    contextExtensions: Type.Record(Type.String({ maxLength: 256 }), Type.String({ maxLength: 4_096 }), {
      default: {},
      description: "gRPC: context_extensions of every check; no secrets, since /config prints them",
    }),
    bypass: Type.Array(Bypass, {
      maxItems: 256,
      default: [],
      description: "requests that are not asked about: any of these, in all that their paths can be read as",
    }),
    dryRun: Type.Boolean({
      default: false,
      description: "requests go on at once and as they are; what would have been denied is counted and logged",
    }),
    maxConcurrentChecks: Type.Integer({
      minimum: 1,
      maximum: 65_536,
      default: 1_024,
      description: "checks under way in one process; above it they fail; Envoy's max_requests of a cluster",
    }),
    maxResponseBytes: Type.Integer({
      minimum: 1_024,
      maximum: 1_048_576,
      default: 65_536,
      description: "of the body of an answer, or of its message; a longer one cannot be read",
    }),
  },
  {
    ...closed,
    description: "an authorizer that is asked about every request which the intentions allow: one of grpc and http",
  },
);

export type ExtAuthzConfig = Static<typeof ExtAuthzSchema>;
export type NamePattern = Static<typeof NamePattern>;

/** Of a listener's authorizer at `path` in the document: what a schema cannot say. */
export function extAuthzIssues(path: string, config: ExtAuthzConfig | undefined, protocol: string): SchemaIssue[] {
  if (config === undefined) return [];
  const { grpc, http, allowedHeaders = [], disallowedHeaders, bypass } = config;
  const issues: SchemaIssue[] = [];
  if (protocol === "tcp") {
    issues.push({ path, message: "needs protocol http, http2 or grpc: there are no requests in tcp" });
  }
  if ((grpc === undefined) === (http === undefined)) issues.push({ path, message: "must have either grpc or http" });
  if (grpc !== undefined) issues.push(...serverIssues(`${path}.grpc`, grpc));
  if (http !== undefined) {
    issues.push(...serverIssues(`${path}.http`, http));
    for (const name of httpPatterns) issues.push(...patternIssues(`${path}.http.${name}`, http[name]));
  }
  issues.push(...patternIssues(`${path}.allowedHeaders`, allowedHeaders));
  issues.push(...patternIssues(`${path}.disallowedHeaders`, disallowedHeaders));
  for (const [i, rule] of bypass.entries()) {
    const at = `${path}.bypass[${i}]`;
    if (rule.path === undefined && rule.headers.length === 0 && rule.methods.length === 0) {
      issues.push({
        path: at,
        message: "must have path, headers or methods: without any, nothing would be asked about",
      });
    }
    if (rule.path !== undefined) issues.push(...matchIssues(`${at}.path`, rule.path));
    issues.push(...rule.headers.flatMap((header, j) => matchIssues(`${at}.headers[${j}]`, header)));
  }
  return issues;
}

const httpPatterns = [
  "allowedUpstreamHeaders",
  "allowedUpstreamHeadersToAppend",
  "allowedClientHeaders",
  "allowedClientHeadersOnSuccess",
] as const;

function serverIssues(
  path: string,
  { address, tls }: Pick<NonNullable<ExtAuthzConfig["grpc"]>, "address" | "tls">,
): SchemaIssue[] {
  const issues: SchemaIssue[] = [];
  const port = parseHostPort(address)?.port ?? 0;
  if (port === 0) {
    issues.push({
      path: `${path}.address`,
      message: `must be host:port with a port from 1 to 65535, found "${address}"`,
    });
  }
  if (tls !== undefined && compileSpiffePattern(tls.peerIdentity) === undefined) {
    const message = `must be a SPIFFE id in which * stands for one whole segment, found "${tls.peerIdentity}"`;
    issues.push({ path: `${path}.tls.peerIdentity`, message });
  }
  return issues;
}

function patternIssues(path: string, patterns: readonly NamePattern[]): SchemaIssue[] {
  return patterns.flatMap(({ type, value }, i) => {
    const compiled = type === "regex" ? compileRegex(value) : undefined;
    if (compiled === undefined || compiled.ok) return [];
    const message = `must be a regular expression of RE2, found "${value}": ${compiled.message}`;
    return [{ path: `${path}[${i}].value`, message }];
  });
}
