import type { FastifyReply, FastifyRequest } from "fastify";
import { demand } from "../../lib/acl/authorizer.ts";
import type { CheckFields, ServiceFields } from "../../lib/contract/catalog.ts";
import { sendJson, sendText } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { type AgentHealth, agentHealth } from "../maintenance.ts";
import type { AgentIdentity } from "../agent-api.ts";
import { agentCheckAnswer, agentServiceAnswer } from "./agent-answers.ts";
import type { AgentRouteContext } from "./agent-routes.ts";
import { RestOfPath, mustId } from "./path-id.ts";

/** Load balancers look at the status code alone. */
const httpStatus: Readonly<Record<AgentHealth, number>> = {
  passing: 200,
  warning: 429,
  critical: 503,
  maintenance: 503,
};

/** Worst first. */
const byWeight = ["maintenance", "critical", "warning", "passing"] as const;

interface Health {
  readonly service: ServiceFields;
  readonly checks: readonly CheckFields[];
  readonly status: AgentHealth;
}

/** `/v1/agent/health/service`: the health of local services, as JSON or (`?format=text`) one word. */
export function registerHealthRoutes(app: HttpApp, { agent, authorize }: AgentRouteContext): void {
  const { identity } = agent;

  app.get("/v1/agent/health/service/id/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    const id = mustId(request.params, "serviceID");
    const authorizer = await authorize(request);
    const service = agent.services().get(id);
    if (service === undefined) {
      const body = { AggregatedStatus: "critical", Service: null, Checks: null };
      return answer(request, reply, { code: 404, reason: `ServiceId ${id} not found`, body });
    }
    demand(authorizer, "service", "read", service.Service);
    const health = healthOf(service, agent.checks());
    return answer(request, reply, { ...outcome(health.status), body: healthAnswer(health, identity) });
  });

  app.get("/v1/agent/health/service/name/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    const name = mustId(request.params, "service Name");
    demand(await authorize(request), "service", "read", name);
    const checks = agent.checks();
    const all = [...agent.services().values()]
      .filter((service) => service.Service === name)
      .map((service) => healthOf(service, checks));
    const worst = byWeight.find((status) => all.some((health) => health.status === status));
    const found = worst === undefined ? { code: 404, reason: `ServiceName ${name} Not Found` } : outcome(worst);
    return answer(request, reply, { ...found, body: all.map((health) => healthAnswer(health, identity)) });
  });
}

function outcome(status: AgentHealth): { readonly code: number; readonly reason: string } {
  return { code: httpStatus[status], reason: status };
}

function healthOf(service: ServiceFields, checks: ReadonlyMap<string, CheckFields>): Health {
  const own = [...checks.values()].filter((check) => check.ServiceID === "" || check.ServiceID === service.ID);
  return { service, checks: own, status: agentHealth(own) };
}

function healthAnswer(health: Health, identity: AgentIdentity): object {
  return {
    AggregatedStatus: health.status,
    Service: agentServiceAnswer(health.service, identity),
    Checks: health.checks.map((check) => agentCheckAnswer(check, identity)),
  };
}

/** `reason` is the word of the text form, and a header. An id in it may hold what a header must not. */
function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  result: { readonly code: number; readonly reason: string; readonly body: object },
): FastifyReply {
  const { code, reason, body } = result;
  reply.raw.setHeader("X-Consul-Reason", reason.replace(/[^\x20-\x7e]/g, "?"));
  if (queryOf(request).get("format") === "text") return sendText(reply, code, reason);
  return sendJson(reply.code(code), body);
}
