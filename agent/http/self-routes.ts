import { demand } from "../../lib/acl/authorizer.ts";
import { createSight } from "../../lib/acl/sight.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { setFilteredHeader } from "../../lib/http/request-token.ts";
import type { AgentApi, AgentIdentity } from "../agent-api.ts";
import type { AgentControl } from "../agent-control.ts";
import type { AgentRouteContext } from "./agent-routes.ts";

/** Serf's number for a member that is alive. */
const memberAlive = 1;

/** What the agent says of itself: who it is, and its node among the members. */
export function registerSelfRoutes(app: HttpApp, { agent, authorize, control }: AgentRouteContext): void {
  app.get("/v1/agent/self", async (request, reply) => {
    demand(await authorize(request), "agent", "read", agent.identity.nodeName);
    return sendJson(reply, selfAnswer(agent, control));
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
}

function selfAnswer(agent: AgentApi, { debugConfig, nodeMeta }: AgentControl): object {
  const { identity } = agent;
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
    DebugConfig: debugConfig,
    Coord: null,
    Member: memberAnswer(identity),
    Stats: stats(agent),
    Meta: nodeMeta,
    // Proxies get their configuration over the agent's socket: there is no listener for xDS.
    xDS: { SupportedProxies: {}, Port: -1, Ports: { Plaintext: -1, TLS: -1 } },
  };
}

/** Consul's numbers are texts here. */
function stats(agent: AgentApi): object {
  const { identity } = agent;
  const checks = [...agent.checks().values()];
  const passive = ["ttl", "alias", "maintenance"];
  return {
    agent: {
      check_monitors: String(checks.filter((check) => !passive.includes(check.Type)).length),
      check_ttls: String(checks.filter((check) => check.Type === "ttl").length),
      checks: String(checks.length),
      services: String(agent.services().size),
    },
    build: { prerelease: "", revision: identity.revision, version: identity.version, version_metadata: "" },
    consul: { server: String(identity.isServer), known_datacenters: "1" },
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
