import { demand } from "../../lib/acl/authorizer.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { AgentApi } from "../agent-api.ts";
import type { AgentRouteContext } from "./agent-routes.ts";
import { ownMemberAnswer } from "./member-routes.ts";

/** What the agent says of itself: who it is, its metrics. */
export function registerSelfRoutes(app: HttpApp, { agent, runtime, authorize }: AgentRouteContext): void {
  const { nodeName } = agent.identity;

  app.get("/v1/agent/self", async (request, reply) => {
    demand(await authorize(request), "agent", "read", nodeName);
    return sendJson(reply, selfAnswer(agent));
  });

  app.get("/v1/agent/metrics", async (request, reply) => {
    demand(await authorize(request), "agent", "read", nodeName);
    const format = queryOf(request).get("format") ?? "";
    if (format !== "prometheus") {
      const message = `Invalid value for ?format: only "prometheus" is supported by this version, found "${format}"`;
      throw new AtollError("INVALID_ARGUMENT", message);
    }
    return reply.header("content-type", runtime.metrics.contentType).send(await runtime.metrics.metrics());
  });
}

function selfAnswer(agent: AgentApi): object {
  const { identity } = agent;
  const checks = [...agent.checks().values()];
  return {
    Config: {
      Datacenter: identity.datacenter,
      PrimaryDatacenter: identity.datacenter,
      NodeName: identity.nodeName,
      NodeID: identity.nodeId,
      Revision: identity.revision,
      Server: identity.isServer,
      Version: identity.version,
      BuildDate: identity.buildDate,
    },
    DebugConfig: {},
    Coord: null,
    Member: ownMemberAnswer(identity),
    Stats: {
      agent: {
        check_monitors: String(checks.filter((check) => check.Type === "http" || check.Type === "tcp").length),
        check_ttls: String(checks.filter((check) => check.Type === "ttl").length),
        checks: String(checks.length),
        services: String(agent.services().size),
      },
      consul: { server: String(identity.isServer) },
    },
    Meta: {},
  };
}
