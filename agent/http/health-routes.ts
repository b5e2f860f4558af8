import type { FastifyReply, FastifyRequest } from "fastify";
import { demand } from "../../lib/acl/authorizer.ts";
import { aggregateStatus, type CheckFields, type CheckStatus, type ServiceFields } from "../../lib/contract/catalog.ts";
import { sendJson, sendText } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { AgentIdentity } from "../agent-api.ts";
import { agentCheckAnswer, agentServiceAnswer } from "./agent-answers.ts";
import type { AgentRouteContext } from "./agent-routes.ts";
import { RestOfPath, mustId } from "./path-id.ts";

/** Load balancers look at the status code alone. */
const httpStatus: Readonly<Record<CheckStatus, number>> = { passing: 200, warning: 429, critical: 503 };

interface Health {
  readonly service: ServiceFields;
  readonly checks: readonly CheckFields[];
  readonly status: CheckStatus;
}

/** `/v1/agent/health/service`: the health of local services, as JSON or (`?format=text`) one word. */
export function registerHealthRoutes(app: HttpApp, { agent, authorize }: AgentRouteContext): void {
  const { identity } = agent;

  app.get("/v1/agent/health/service/id/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    const id = mustId(request.params, "serviceID");
    const service = agent.services().get(id);
    if (service === undefined) {
      reply.raw.setHeader("X-Consul-Reason", "critical");
      return sendText(reply, 404, `ServiceId ${id} not found`);
    }
    demand(await authorize(request), "service", "read", service.Service);
    const health = healthOf(service, agent.checks());
    return answer(request, reply, { status: health.status, body: healthAnswer(health, identity) });
  });

  app.get("/v1/agent/health/service/name/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    const name = mustId(request.params, "service Name");
    demand(await authorize(request), "service", "read", name);
    const checks = agent.checks();
    const all = [...agent.services().values()]
      .filter((service) => service.Service === name)
      .map((service) => healthOf(service, checks));
    const status = all.length === 0 ? "critical" : aggregateStatus(all.map((health) => ({ Status: health.status })));
    const body = all.map((health) => healthAnswer(health, identity));
    return answer(request, reply, { status, body, ...(all.length === 0 && { code: 404 }) });
  });
}

function healthOf(service: ServiceFields, checks: ReadonlyMap<string, CheckFields>): Health {
  const own = [...checks.values()].filter((check) => check.ServiceID === "" || check.ServiceID === service.ID);
  return { service, checks: own, status: aggregateStatus(own) };
}

function healthAnswer(health: Health, identity: AgentIdentity): object {
  return {
    AggregatedStatus: health.status,
    Service: agentServiceAnswer(health.service, identity),
    Checks: health.checks.map((check) => agentCheckAnswer(check, identity)),
  };
}

function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  result: { readonly status: CheckStatus; readonly body: object; readonly code?: number },
): FastifyReply {
  const code = result.code ?? httpStatus[result.status];
  reply.raw.setHeader("X-Consul-Reason", result.status);
  if (queryOf(request).get("format") === "text") return sendText(reply, code, result.status);
  return sendJson(reply.code(code), result.body);
}
