import type { FastifyReply } from "fastify";
import { Type } from "typebox";
import { sleep } from "../../lib/base/clock.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendEmpty, sendJson } from "../../lib/http/answers.ts";
import { readJsonBody } from "../../lib/http/body-decoder.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { parseFlag, parseReadQuery } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { mustDecode } from "../registration/decode-result.ts";
import { decodeService } from "../registration/decode-service.ts";
import { agentServiceAnswer, contentHash } from "./agent-answers.ts";
import type { AgentRouteContext } from "./agent-routes.ts";
import { RestOfPath, mustId } from "./path-id.ts";

/** `/v1/agent/service(s)`: the local services. */
export function registerServiceRoutes(app: HttpApp, context: AgentRouteContext): void {
  const { agent, runtime } = context;
  const { datacenter } = agent.identity;
  const logger = runtime.logger.child("http");

  app.get("/v1/agent/services", async (request, reply) => {
    parseReadQuery(request, { datacenter, random: runtime.random });
    const services = [...agent.services()].map(([id, service]) => [id, agentServiceAnswer(service, agent.identity)]);
    return sendJson(reply, Object.fromEntries(services));
  });

  app.get(
    "/v1/agent/service/:id",
    { schema: { params: Type.Object({ id: Type.String() }) } },
    async (request, reply) => {
      const { waitMs } = parseReadQuery(request, { datacenter, random: runtime.random });
      const wait = { waitMs, hash: queryOf(request).get("hash") ?? "", reply };
      const found = await readService(context, request.params.id, wait);
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
    const replaceExistingChecks = parseFlag(queryOf(request), "replace-existing-checks");
    await agent.registerService(definition, { replaceExistingChecks });
    return sendEmpty(reply);
  });

  app.put("/v1/agent/service/deregister/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    await agent.deregisterService(mustId(request.params, "service ID"));
    return sendEmpty(reply);
  });
}

interface HashWait {
  readonly waitMs: number;
  /** The hash that the caller has already; empty: answer at once. */
  readonly hash: string;
  readonly reply: FastifyReply;
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
