import { createHash } from "node:crypto";
import { Type } from "typebox";
import type { Static } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import type { ResolvedServiceConfig } from "../../lib/contract/config-entries.ts";
import { isHttpLike } from "../../lib/contract/discovery-chain.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { compileChain } from "../chain/compile-chain.ts";
import { chainEntries, type EntryLookup, isOfKind } from "../state/chain-entries.ts";
import type { Read, StateReader } from "../state/reader.ts";
import { discoveryChainAnswer } from "./discovery-chain-answer.ts";
import { Anything, Duration, durationMs, mustProtocol, refusal, Text } from "./entry-fields.ts";
import { mustName, ServicePath } from "./path-name.ts";
import type { RouteContext } from "./server-routes.ts";

const OverridesBody = Type.Object({
  OverrideConnectTimeout: Duration,
  OverrideProtocol: Text,
  OverrideMeshGateway: Type.Optional(Type.Object({ Mode: Text })),
  Source: Anything,
});
type Overrides = Static<typeof OverridesBody>;

const maxTimeoutMs = 24 * 3_600_000;

/** `/v1/discovery-chain/:service`: what becomes of calls to a service, as its callers' agents are told; POST says what if. */
export function registerDiscoveryChainRoutes(app: HttpApp, { server, reads, authorize }: RouteContext): void {
  app.get("/v1/discovery-chain/:service", { schema: { params: ServicePath } }, (request, reply) => {
    const service = mustName(request.params.service, "service name");
    return reads.answer(request, reply, {
      requires: (authorizer) => demand(authorizer, "service", "read", service),
      query: (reader) => withTrustDomain(reader, reader.serviceConfig(service)),
      body: ({ config, trustDomain }) => ({
        Chain: discoveryChainAnswer(config, { datacenter: server.datacenter, trustDomain }),
      }),
    });
  });

  app.post(
    "/v1/discovery-chain/:service",
    { schema: { params: ServicePath, body: OverridesBody } },
    async (request, reply) => {
      const service = mustName(request.params.service, "service name");
      demand(authorize(request), "service", "read", service);
      const overrides = request.body;
      const mode = overrides.OverrideMeshGateway?.Mode ?? "";
      if (!["", "none", "local", "remote"].includes(mode)) {
        throw refusal(`OverrideMeshGateway.Mode must be none, local or remote, found "${mode}"`);
      }
      // Its answer depends on the body, so it is none that watchers of the URL could share.
      const { read } = await reads.read(request, reply, (reader) =>
        withTrustDomain(reader, reader.serviceConfig(service)),
      );
      const { config, trustDomain } = read.value;
      const chain = overridden(server.reader, config, overrides);
      const answer = discoveryChainAnswer(chain, { datacenter: server.datacenter, trustDomain });
      return sendJson(reply, { Chain: { ...answer, CustomizationHash: customizationHash(overrides) } });
    },
  );
}

function withTrustDomain(
  reader: StateReader,
  config: Read<ResolvedServiceConfig>,
): Read<{ readonly config: ResolvedServiceConfig; readonly trustDomain: string }> {
  const roots = reader.caRoots();
  return {
    index: Math.max(config.index, roots.index),
    value: { config: config.value, trustDomain: roots.value.trustDomain },
    watch: [...config.watch, ...roots.watch],
  };
}

/** The chain as it would be; over a protocol that has no requests routers and splitters say nothing. */
function overridden(
  reader: StateReader,
  config: ResolvedServiceConfig,
  overrides: Overrides,
): Pick<ResolvedServiceConfig, "service" | "protocol" | "chain"> {
  const { service } = config;
  const protocol = overrides.OverrideProtocol
    ? mustProtocol("OverrideProtocol", overrides.OverrideProtocol)
    : config.protocol;
  const lookup: EntryLookup = (kind, name) => {
    const entry = reader.configEntry(kind, name).value;
    return isOfKind(entry, kind) ? entry : undefined;
  };
  const entries = chainEntries(lookup);
  const compiled = compileChain(service, {
    router: (name) => (isHttpLike(protocol) ? entries.router(name) : undefined),
    splitter: (name) => (isHttpLike(protocol) ? entries.splitter(name) : undefined),
    resolver: entries.resolver,
    protocol: () => protocol,
  });
  if (!compiled.ok) throw refusal(compiled.message);
  const { chain } = compiled;
  if (chain === undefined) return { service, protocol };
  const timeoutMs = durationMs(overrides.OverrideConnectTimeout, "OverrideConnectTimeout", maxTimeoutMs);
  if (timeoutMs === 0) return { service, protocol, chain };
  const resolvers = chain.resolvers.map((resolver) => ({ ...resolver, connectTimeoutMs: timeoutMs }));
  return { service, protocol, chain: { ...chain, resolvers } };
}

/** Eight hexadecimal digits that differ when the overrides do. */
function customizationHash({ OverrideConnectTimeout, OverrideProtocol, OverrideMeshGateway }: Overrides): string {
  const text = JSON.stringify([OverrideConnectTimeout ?? 0, OverrideProtocol ?? "", OverrideMeshGateway?.Mode ?? ""]);
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}
