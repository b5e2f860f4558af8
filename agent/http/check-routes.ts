import { Type } from "typebox";
import { createSight } from "../../lib/acl/sight.ts";
import { type CheckFields, type CheckStatus, checkStatuses } from "../../lib/contract/catalog.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { checkFields } from "../../lib/contract/filter-shapes.ts";
import { sendEmpty, sendJson } from "../../lib/http/answers.ts";
import { readJsonBody } from "../../lib/http/body-decoder.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { parseReadQuery } from "../../lib/http/read-query.ts";
import { createRecordFilter } from "../../lib/http/record-filter.ts";
import { setFilteredHeader } from "../../lib/http/request-token.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { decodeCheck } from "../registration/decode-check.ts";
import { mustDecode } from "../registration/decode-result.ts";
import { demandCheck, demandCheckRegistration, seesLocalCheck } from "./agent-rights.ts";
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

const checkFilter = createRecordFilter<CheckFields>(checkFields);

/** `/v1/agent/check(s)`: the local checks and their heartbeats. */
export function registerCheckRoutes(app: HttpApp, { agent, runtime, authorize }: AgentRouteContext): void {
  app.get("/v1/agent/checks", async (request, reply) => {
    const { filter } = parseReadQuery(request, { datacenter: agent.identity.datacenter, random: runtime.random });
    const sight = createSight(await authorize(request));
    const visible = sight.keep([...agent.checks().values()], seesLocalCheck);
    if (sight.isFiltered()) setFilteredHeader(request, reply);
    const checks = checkFilter.apply(visible, filter);
    return sendJson(
      reply,
      Object.fromEntries(checks.map((check) => [check.CheckID, agentCheckAnswer(check, agent.identity)])),
    );
  });

  app.put("/v1/agent/check/register", async (request, reply) => {
    const definition = mustDecode(decodeCheck(readJsonBody(request.body)));
    demandCheckRegistration(await authorize(request), agent, definition);
    await agent.registerCheck(definition);
    return sendEmpty(reply);
  });

  app.put("/v1/agent/check/deregister/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    const checkId = mustId(request.params, "check ID");
    demandCheck(await authorize(request), agent, checkId);
    await agent.deregisterCheck(checkId);
    return sendEmpty(reply);
  });

  for (const { path, status } of heartbeats) {
    app.put(`/v1/agent/check/${path}/*`, { schema: { params: RestOfPath } }, async (request, reply) => {
      const note = queryOf(request).get("note") ?? "";
      const checkId = mustId(request.params, "check ID");
      demandCheck(await authorize(request), agent, checkId);
      await agent.updateTtlCheck(checkId, status, note);
      return sendEmpty(reply);
    });
  }

  const schema = { params: RestOfPath, body: StatusUpdate };
  app.put("/v1/agent/check/update/*", { schema }, async (request, reply) => {
    const { Status: status, Output: output } = request.body;
    const known = mustStatus(status);
    const checkId = mustId(request.params, "check ID");
    demandCheck(await authorize(request), agent, checkId);
    await agent.updateTtlCheck(checkId, known, output ?? "");
    return sendEmpty(reply);
  });
}

function mustStatus(text: string): CheckStatus {
  const status = checkStatuses.find((known) => known === text);
  if (status !== undefined) return status;
  throw new AtollError("INVALID_ARGUMENT", `Invalid check status: '${text}'`);
}
