import { demand } from "../../lib/acl/authorizer.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import type { AgentApi } from "../agent-api.ts";
import type { AgentControl } from "../agent-control.ts";
import type { AgentRouteContext } from "./agent-routes.ts";
import { ownMemberAnswer } from "./member-routes.ts";

/** What the agent says of itself: who it is, and how it is set. */
export function registerSelfRoutes(app: HttpApp, { agent, authorize, control }: AgentRouteContext): void {
  app.get("/v1/agent/self", async (request, reply) => {
    demand(await authorize(request), "agent", "read", agent.identity.nodeName);
    return sendJson(reply, selfAnswer(agent, control));
  });
}

function selfAnswer(agent: AgentApi, control: AgentControl): object {
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
    DebugConfig: control.debugConfig(),
    Coord: null,
    Member: ownMemberAnswer(identity),
    Stats: stats(agent),
    Meta: control.nodeMeta,
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
