import type { FastifyReply } from "fastify";
import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { createSight } from "../../lib/acl/sight.ts";
import { sleep } from "../../lib/base/clock.ts";
import type { ServiceFields } from "../../lib/contract/catalog.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { serviceFields } from "../../lib/contract/filter-shapes.ts";
import { sendEmpty, sendJson } from "../../lib/http/answers.ts";
import { readJsonBody } from "../../lib/http/body-decoder.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { createRecordFilter } from "../../lib/http/record-filter.ts";
import { ownTokenOf } from "../../lib/http/default-token.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { parseFlag, parseReadQuery } from "../../lib/http/read-query.ts";
import { setFilteredHeader } from "../../lib/http/request-token.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { mustDecode } from "../registration/decode-result.ts";
import { decodeService } from "../registration/decode-service.ts";
import { demandRegistration, demandService } from "./agent-rights.ts";
import { agentServiceAnswer, contentHash } from "./agent-answers.ts";
import type { AgentRouteContext } from "./agent-routes.ts";
import { readMaintenance } from "./control-routes.ts";
import { RestOfPath, mustId } from "./path-id.ts";

/** `/v1/agent/service(s)`: the local services. */
export function registerServiceRoutes(app: HttpApp, context: AgentRouteContext): void {
  const { agent, control, runtime, authorize } = context;
  const { datacenter } = agent.identity;
  const logger = runtime.logger.child("http");

  app.get("/v1/agent/services", async (request, reply) => {
    const { filter } = parseReadQuery(request, { datacenter, random: runtime.random });
    const sight = createSight(await authorize(request));
    const visible = sight.keep([...agent.services().values()], (service, authorizer) =>
      authorizer.allows("service", "read", service.Service),
    );
    if (sight.isFiltered()) setFilteredHeader(request, reply);
    const services = serviceFilter.apply(visible, filter);
    return sendJson(reply, Object.fromEntries(services.map((of) => [of.ID, agentServiceAnswer(of, agent.identity)])));
  });

  app.get(
    "/v1/agent/service/:id",
    { schema: { params: Type.Object({ id: Type.String() }) } },
    async (request, reply) => {
      const { waitMs } = parseReadQuery(request, { datacenter, random: runtime.random });
      const authorizer = await authorize(request);
      const wait = { waitMs, hash: queryOf(request).get("hash") ?? "", reply };
      const mayRead = ({ Service: name }: ServiceFields): void => demand(authorizer, "service", "read", name);
      const found = await readService(context, request.params.id, { ...wait, mayRead });
      reply.raw.setHeader("X-Consul-ContentHash", found.hash);
      return sendJson(reply, { ...found.answer, ContentHash: found.hash });
    },
  );

  app.put("/v1/agent/service/register", async (request, reply) => {
    const decoded = decodeService(readJsonBody(request.body));
    const definition = mustDecode(decoded);
    if (decoded.ok && decoded.unknownFields.length > 0) {
      const fields = { service: definition.id, fields: decoded.unknownFields.join(", ") };
      logger.debug("fields of a registration mean nothing here and are left out", fields);
    }
    demandRegistration(await authorize(request), agent, definition);
    const replaceExistingChecks = parseFlag(queryOf(request), "replace-existing-checks");
    const token = control.tokens.isAclEnabled ? ownTokenOf(request) : "";
    const registered = token === "" ? definition : { ...definition, token };
    await agent.registerService(registered, { replaceExistingChecks });
    return sendEmpty(reply);
  });

  app.put("/v1/agent/service/deregister/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    const serviceId = mustId(request.params, "service ID");
    demandService(await authorize(request), agent, serviceId);
    await agent.deregisterService(serviceId);
    return sendEmpty(reply);
  });

  app.put("/v1/agent/service/maintenance/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    const serviceId = mustId(request.params, "service ID");
    const wish = readMaintenance(request);
    demandService(await authorize(request), agent, serviceId);
    await agent.setServiceMaintenance(serviceId, wish);
    return sendEmpty(reply);
  });
}

const serviceFilter = createRecordFilter<ServiceFields>(serviceFields);

interface HashWait {
  readonly waitMs: number;
  /** The hash that the caller has already; empty: answer at once. */
  readonly hash: string;
  readonly reply: FastifyReply;
  /** Throws for a service that the request may not read: one id can come to another service while it waits. */
  readonly mayRead: (service: ServiceFields) => void;
}

/** The service as soon as its hash is another one, or as it is when the wait is over. */
async function readService(
  context: AgentRouteContext,
  id: string,
  wait: HashWait,
): Promise<{ readonly answer: object; readonly hash: string }> {
  const { agent } = context;
  const read = (): { answer: object; hash: string } => {
    const service = agent.services().get(id);
    if (service === undefined) throw new AtollError("NOT_FOUND", `unknown service ID: ${id}`);
    wait.mayRead(service);
    const answer = agentServiceAnswer(service, agent.identity);
    return { answer, hash: contentHash(answer) };
  };
  const first = read();
  if (wait.hash === "" || first.hash !== wait.hash) return first;
  const done = new AbortController();
  const isOther = (): boolean => {
    const service = agent.services().get(id);
    return service === undefined || contentHash(agentServiceAnswer(service, agent.identity)) !== wait.hash;
  };
  const observer = agent.onLocalChange(() => {
    if (isOther()) done.abort();
  });
  try {
    const signal = AbortSignal.any([done.signal, requestSignal(wait.reply)]);
    await sleep(context.runtime.clock, wait.waitMs, signal);
  } finally {
    observer.close();
  }
  return read();
}
