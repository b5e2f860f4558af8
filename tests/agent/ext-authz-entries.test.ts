import { expect, test } from "bun:test";
import { listSettings, sourcesByPath } from "../../lib/contract/setting-sources.ts";
import { createWrittenEntries } from "./written-entries.ts";

const entry = (extension: object, Protocol = "http") => ({
  Kind: "service-defaults",
  Name: "web",
  Protocol,
  EnvoyExtensions: [{ Name: "builtin/ext-authz", ...extension }],
});
const grpc = (more: object = {}, target: object = {}) => ({
  Config: { GrpcService: { Target: { URI: "127.0.0.1:9191", ...target } }, ...more },
});
const http = (more: object = {}) => ({
  Config: { HttpService: { Target: { URI: "http://localhost:9191" }, ...more } },
});

test("builtin/ext-authz by gRPC is the authorizer of the service's listener", async () => {
  const entries = createWrittenEntries();
  expect(entries.document().config.inbound[0]?.extAuthz).toBeUndefined();
  const Arguments = {
    ProxyType: "connect-proxy",
    Config: {
      GrpcService: { Target: { URI: "127.0.0.1:9191", Timeout: "1500ms" }, Authority: "opa" },
      IncludePeerCertificate: true,
      StatusOnError: 503,
    },
  };
  await entries.write(entry({ Required: true, Arguments }));
  const { config, authors, problems } = entries.document();
  expect(config.inbound[0]?.extAuthz).toMatchObject({
    grpc: { address: "127.0.0.1:9191", authority: "opa" },
    timeoutMs: 1_500,
    failureModeAllow: false,
    statusOnError: 503,
    includePeerCertificate: true,
  });
  expect(config.inbound[0]?.extAuthz?.allowedHeaders).toBeUndefined();
  expect(problems).toEqual([]);
  const settings = listSettings(config, sourcesByPath(authors));
  expect(settings.find(({ path }) => path === "inbound[0].extAuthz.grpc.address")?.source).toBe(
    "service-defaults of web: EnvoyExtensions",
  );
  expect((await entries.catalog.get("/v1/config/service-defaults/web")).json).toMatchObject({
    EnvoyExtensions: [{ Name: "builtin/ext-authz", Required: true, Arguments }],
  });
});

test("builtin/ext-authz by HTTP says which fields go to and fro", async () => {
  const entries = createWrittenEntries();
  const Arguments = http({
    PathPrefix: "/check",
    AuthorizationRequest: { AllowedHeaders: [{ Prefix: "x-", IgnoreCase: true }, { Exact: "cookie" }] },
    AuthorizationResponse: {
      AllowedUpstreamHeaders: [{ Suffix: "-user" }],
      AllowedUpstreamHeadersToAppend: [{ Contains: "group" }],
      AllowedClientHeaders: [{ SafeRegex: "x-[a-z]+" }],
      AllowedClientHeadersOnSuccess: [{ Exact: "set-cookie" }],
    },
  });
  await entries.write(entry({ Arguments }));
  expect(entries.document().config.inbound[0]?.extAuthz).toMatchObject({
    http: {
      address: "127.0.0.1:9191",
      pathPrefix: "/check",
      allowedUpstreamHeaders: [{ type: "suffix", value: "-user" }],
      allowedUpstreamHeadersToAppend: [{ type: "contains", value: "group" }],
      allowedClientHeaders: [{ type: "regex", value: "x-[a-z]+" }],
      allowedClientHeadersOnSuccess: [{ type: "exact", value: "set-cookie" }],
    },
    allowedHeaders: [
      { type: "prefix", value: "x-" },
      { type: "exact", value: "cookie" },
    ],
    timeoutMs: 200,
    statusOnError: 403,
    failureModeAllow: true,
  });
});

test("a service of tcp has nobody asked: it denies everybody where that is required", async () => {
  const entries = createWrittenEntries();
  await entries.write({ Kind: "service-intentions", Name: "web", Sources: [{ Name: "api", Action: "allow" }] });
  await entries.write(entry({ Required: true, Arguments: grpc() }, "tcp"));
  const required = entries.document();
  expect(required.config.inbound[0]).toMatchObject({ intentions: { default: "deny", rules: [] } });
  expect(required.problems).toEqual([
    'EnvoyExtensions of service-defaults: builtin/ext-authz cannot be asked about "tcp": it is required, so all calls are denied',
  ]);
  await entries.write(entry({ Arguments: grpc() }, "tcp"));
  const optional = entries.document();
  expect(optional.config.inbound[0]?.intentions.rules).toMatchObject([{ action: "allow" }]);
  expect(optional.config.inbound[0]?.extAuthz).toBeUndefined();
  expect(optional.problems).toEqual([
    'EnvoyExtensions of service-defaults: builtin/ext-authz cannot be asked about "tcp": it is not used',
  ]);
});

const twice = { ...http().Config, ...grpc().Config };
test.each([
  [{ Name: "builtin/lua" }, 'EnvoyExtensions[0]: "builtin/lua" is not supported by this version'],
  [{ EnvoyVersion: "> 1.30" }, "EnvoyExtensions[0].EnvoyVersion is not supported"],
  [{ Arguments: { ...grpc(), ProxyType: "api-gateway" } }, 'ProxyType "api-gateway" is not supported'],
  [{ Arguments: { ...grpc(), ListenerType: "outbound" } }, 'ListenerType "outbound" is not supported'],
  [{ Arguments: { ...grpc(), InsertOptions: { Location: "First" } } }, "InsertOptions is not supported"],
  [{ Arguments: { ...grpc(), Sort: 1 } }, 'invalid config key "EnvoyExtensions[0].Arguments.Sort"'],
  [{}, "a proxy could not use these EnvoyExtensions[0].Arguments: extAuthz: must have either grpc or http"],
  [{ Arguments: { Config: {} } }, "Config: exactly one of GrpcService or HttpService must be set"],
  [{ Arguments: { Config: twice } }, "Config: exactly one of GrpcService or HttpService must be set"],
  [{ Arguments: grpc({ WithRequestBody: { MaxRequestBytes: 1 } }) }, "Config.WithRequestBody is not supported"],
  [{ Arguments: grpc({}, { URI: "10.0.0.1:9191" }) }, "GrpcService.Target.URI must be localhost or 127.0.0.1 with a"],
  [{ Arguments: grpc({}, { URI: "" }) }, "GrpcService.Target.URI must be localhost"],
  [{ Arguments: grpc({}, { URI: "localhost:70000" }) }, "extAuthz.grpc.address: must be host:port"],
  [{ Arguments: grpc({}, { Service: { Name: "opa" } }) }, "GrpcService.Target.Service is not supported"],
  [{ Arguments: grpc({}, { Timeout: "soon" }) }, "extAuthz.timeoutMs"],
  [{ Arguments: grpc({}, { Timeout: "2m" }) }, "extAuthz.timeoutMs"],
  [{ Arguments: grpc({ StatusOnError: 200 }) }, "extAuthz.statusOnError"],
  [{ Arguments: grpc({ TransportApiVersion: "V2" }) }, 'TransportApiVersion "V2" is not supported'],
  [{ Arguments: grpc({ StatPrefix: "mine" }) }, 'StatPrefix "mine" is not supported'],
  [
    { Arguments: http({ AuthorizationRequest: { AllowedHeaders: [{ Exact: "a", Prefix: "b" }] } }) },
    "AllowedHeaders[0]: exactly one of Contains, Exact, Prefix, SafeRegex or Suffix must be set",
  ],
  [
    { Arguments: http({ AuthorizationResponse: { AllowedClientHeaders: [{ SafeRegex: "(" }] } }) },
    "extAuthz.http.allowedClientHeaders[0].value: must be a regular expression",
  ],
  [
    { Arguments: http({ AuthorizationResponse: { DynamicMetadataFromHeaders: [{ Exact: "a" }] } }) },
    "DynamicMetadataFromHeaders is not supported",
  ],
])("%j is refused by name", async (extension, message) => {
  expect(await createWrittenEntries().refusal(entry(extension))).toContain(message);
});

test("a second extension, and one for all proxies, are refused", async () => {
  const one = entry({ Arguments: grpc() });
  const two = { ...one, EnvoyExtensions: [...one.EnvoyExtensions, ...one.EnvoyExtensions] };
  const entries = createWrittenEntries();
  expect(await entries.refusal(two)).toContain("EnvoyExtensions[1]: builtin/ext-authz can be there once");
  const { EnvoyExtensions } = one;
  expect(await entries.refusal({ Kind: "proxy-defaults", EnvoyExtensions })).toContain(
    "EnvoyExtensions is not supported by this version: leave it out of the proxy-defaults entry",
  );
});
