import { Type } from "typebox";
import { createSight } from "../../lib/acl/sight.ts";
import { type CheckStatus, checkStatuses } from "../../lib/contract/catalog.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendEmpty, sendJson } from "../../lib/http/answers.ts";
import { readJsonBody } from "../../lib/http/body-decoder.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { parseReadQuery } from "../../lib/http/read-query.ts";
import { setFilteredHeader } from "../../lib/http/request-token.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { decodeCheck } from "../registration/decode-check.ts";
import { mustDecode } from "../registration/decode-result.ts";
import { demandCheckDefinition, demandCheckId, seesLocalCheck } from "./agent-rights.ts";
import { agentCheckAnswer } from "./agent-answers.ts";
import type { AgentRouteContext } from "./agent-routes.ts";
import { RestOfPath, mustId } from "./path-id.ts";

/** Paths of heartbeats and the status that each of them reports. */
const heartbeats = [
  { path: "pass", status: "passing" },
  { path: "warn", status: "warning" },
  { path: "fail", status: "critical" },
] as const;

const StatusUpdate = Type.Object({ Status: Type.String(), Output: Type.Optional(Type.String()) });

/** `/v1/agent/check(s)`: the local checks and their heartbeats. */
export function registerCheckRoutes(app: HttpApp, { agent, runtime, authorize }: AgentRouteContext): void {
  app.get("/v1/agent/checks", async (request, reply) => {
    parseReadQuery(request, { datacenter: agent.identity.datacenter, random: runtime.random });
    const sight = createSight(await authorize(request));
    const checks = sight.keep([...agent.checks()], ([, check], authorizer) => seesLocalCheck(check, authorizer));
    if (sight.isFiltered()) setFilteredHeader(request, reply);
    return sendJson(
      reply,
      Object.fromEntries(checks.map(([id, check]) => [id, agentCheckAnswer(check, agent.identity)])),
    );
  });

  app.put("/v1/agent/check/register", async (request, reply) => {
    const definition = mustDecode(decodeCheck(readJsonBody(request.body)));
    demandCheckDefinition(agent, definition, await authorize(request));
    await agent.registerCheck(definition);
    return sendEmpty(reply);
  });

  app.put("/v1/agent/check/deregister/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    const id = mustId(request.params, "check ID");
    demandCheckId(agent, id, await authorize(request));
    await agent.deregisterCheck(id);
    return sendEmpty(reply);
  });

  for (const { path, status } of heartbeats) {
    app.put(`/v1/agent/check/${path}/*`, { schema: { params: RestOfPath } }, async (request, reply) => {
      const note = queryOf(request).get("note") ?? "";
      const id = mustId(request.params, "check ID");
      demandCheckId(agent, id, await authorize(request));
      await agent.updateTtlCheck(id, status, note);
      return sendEmpty(reply);
    });
  }

  const schema = { params: RestOfPath, body: StatusUpdate };
  app.put("/v1/agent/check/update/*", { schema }, async (request, reply) => {
    const { Status: status, Output: output } = request.body;
    const id = mustId(request.params, "check ID");
    demandCheckId(agent, id, await authorize(request));
    await agent.updateTtlCheck(id, mustStatus(status), output ?? "");
    return sendEmpty(reply);
  });
}

function mustStatus(text: string): CheckStatus {
  const status = checkStatuses.find((known) => known === text);
  if (status !== undefined) return status;
  throw new AtollError(
    "INVALID_ARGUMENT",
    `Invalid check status: '${text}': Status must be one of ${checkStatuses.join(", ")}`,
  );
}
