import type { Authorizer } from "../../lib/acl/authorizer.ts";
import type { MeteredRuntime } from "../../lib/base/runtime.ts";
import { defaultRequestLimits, type RequestLimits } from "../../lib/contract/request-limits.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import type { CatalogServer } from "../server-api.ts";
import { createAuthorize } from "./authorize.ts";
import { registerAclRoutes } from "./acl-routes.ts";
import { registerAuthorityConfigRoutes } from "./authority-config-routes.ts";
import { registerAutopilotRoutes } from "./autopilot-routes.ts";
import { registerCaRoutes } from "./ca-routes.ts";
import { registerCatalogRoutes } from "./catalog-routes.ts";
import { registerCatalogWriteRoutes } from "./catalog-write-routes.ts";
import { registerConfigRoutes } from "./config-routes.ts";
import { registerCoordinateRoutes } from "./coordinate-routes.ts";
import { registerDiscoveryChainRoutes } from "./discovery-chain-routes.ts";
import { registerEventRoutes } from "./event-routes.ts";
import { registerGatewayRoutes } from "./gateway-routes.ts";
import { registerHealthRoutes } from "./health-routes.ts";
import type { Asker } from "./hot-reads.ts";
import { registerIntentionRoutes } from "./intention-routes.ts";
import { registerIntentionWriteRoutes } from "./intention-write-routes.ts";
import { registerLegacyIntentionRoutes } from "./legacy-intention-routes.ts";
import { registerKvRoutes } from "./kv-routes.ts";
import { registerInternalRoutes } from "./internal-routes.ts";
import { defaultLeaderWaitMs, routeToLeader } from "./leader-routing.ts";
import { registerMemberRoutes } from "./member-routes.ts";
import { registerOperatorRoutes } from "./operator-routes.ts";
import { registerPeeringRoutes } from "./peering-routes.ts";
import { registerQueryRoutes } from "./query-routes.ts";
import { createReadEndpoint } from "./read-endpoint.ts";
import type { ReadEndpoint } from "./read-endpoint.ts";
import { registerSessionRoutes } from "./session-routes.ts";
import { registerSnapshotRoutes } from "./snapshot-routes.ts";
import { registerStatusRoutes } from "./status-routes.ts";
import { registerUiRoutes } from "./ui-routes.ts";
import { registerTransactionRoutes } from "./transaction-routes.ts";

/**
 * The `/v1` routes of a server, in Consul's wire format. A read walks request -> parameters -> state reader -> answer
 * shape -> bytes shared by its watchers; a write walks request -> schema -> complete command -> replicated log -> `true`.
 * The composition root registers them on the app that the process listens with.
 */
export interface ServerRoutesOptions {
  readonly server: CatalogServer;
  readonly runtime: MeteredRuntime;
  /** How long a request waits for a leader; 7 s when absent. */
  readonly leaderWaitMs?: number;
  /** What the configuration says; Consul's defaults for the others. */
  readonly limits?: Partial<RequestLimits>;
  /** Of the agent in this process: what is asked here is asked on behalf of its node. */
  readonly nodeName?: string;
}

/** What every group of routes is given. */
export interface RouteContext extends Omit<ServerRoutesOptions, "limits"> {
  readonly limits: RequestLimits;
  readonly reads: ReadEndpoint;
  /** What the token of a request may do; `unrestricted` where ACLs are off. Throws `PERMISSION_DENIED` for a token that is none. */
  readonly authorize: (asker: Asker) => Authorizer;
}

export function registerServerRoutes(app: HttpApp, options: ServerRoutesOptions): void {
  const authorize = createAuthorize(options.server.acl);
  const limits = { ...defaultRequestLimits, ...options.limits };
  const reads = createReadEndpoint({ ...options, authorize, waits: limits });
  const context: RouteContext = { ...options, limits, reads, authorize };
  routeToLeader(app, { ...options, leaderWaitMs: options.leaderWaitMs ?? defaultLeaderWaitMs });
  registerStatusRoutes(app, context);
  registerCatalogRoutes(app, context);
  registerCatalogWriteRoutes(app, context);
  registerHealthRoutes(app, context);
  registerKvRoutes(app, context);
  registerSessionRoutes(app, context);
  registerTransactionRoutes(app, context);
  registerConfigRoutes(app, context);
  registerCoordinateRoutes(app, context);
  registerDiscoveryChainRoutes(app, context);
  registerGatewayRoutes(app, context);
  registerPeeringRoutes(app, context);
  registerQueryRoutes(app, context);
  registerEventRoutes(app, context);
  registerIntentionRoutes(app, context);
  registerIntentionWriteRoutes(app, context);
  registerLegacyIntentionRoutes(app, context);
  registerCaRoutes(app, context);
  registerAuthorityConfigRoutes(app, context);
  registerMemberRoutes(app, context);
  registerOperatorRoutes(app, context);
  registerAutopilotRoutes(app, context);
  registerInternalRoutes(app, context);
  registerSnapshotRoutes(app, context);
  registerUiRoutes(app, context);
  registerAclRoutes(app, context);
}
