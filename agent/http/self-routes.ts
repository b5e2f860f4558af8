import { demand } from "../../lib/acl/authorizer.ts";
import { createSight } from "../../lib/acl/sight.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { setFilteredHeader } from "../../lib/http/request-token.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { AgentApi, AgentIdentity } from "../agent-api.ts";
import type { AgentRouteContext } from "./agent-routes.ts";

/** Serf's number for a member that is alive. */
const memberAlive = 1;

/** What the agent says of itself: who it is, its node among the members, its metrics. */
export function registerSelfRoutes(app: HttpApp, { agent, runtime, authorize }: AgentRouteContext): void {
  const { nodeName } = agent.identity;

  app.get("/v1/agent/self", async (request, reply) => {
    demand(await authorize(request), "agent", "read", nodeName);
    return sendJson(reply, selfAnswer(agent));
  });

  /** Nodes hold leases with the servers instead of gossiping, so an agent knows no member but its own node. */
  app.get("/v1/agent/members", async (request, reply) => {
    const sight = createSight(await authorize(request));
    const members = sight.keep([agent.identity], (member, authorizer) =>
      authorizer.allows("node", "read", member.nodeName),
    );
    if (sight.isFiltered()) setFilteredHeader(request, reply);
    return sendJson(reply, members.map(memberAnswer));
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
    Member: memberAnswer(identity),
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

function memberAnswer(identity: AgentIdentity): object {
  return {
    Name: identity.nodeName,
    Addr: identity.address,
    Port: 0,
    Tags: {
      build: identity.version,
      dc: identity.datacenter,
      id: identity.nodeId,
      role: identity.isServer ? "consul" : "node",
    },
    Status: memberAlive,
    ProtocolMin: 1,
    ProtocolMax: 5,
    ProtocolCur: 2,
    DelegateMin: 2,
    DelegateMax: 5,
    DelegateCur: 4,
  };
}
