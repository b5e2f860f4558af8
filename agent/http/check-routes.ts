import { Type } from "typebox";
import { type CheckStatus, checkStatuses } from "../../lib/contract/catalog.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendEmpty, sendJson } from "../../lib/http/answers.ts";
import { readJsonBody } from "../../lib/http/body-decoder.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { parseReadQuery } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { decodeCheck } from "../registration/decode-check.ts";
import { mustDecode } from "../registration/decode-result.ts";
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
export function registerCheckRoutes(app: HttpApp, { agent, runtime }: AgentRouteContext): void {
  app.get("/v1/agent/checks", async (request, reply) => {
    parseReadQuery(request, { datacenter: agent.identity.datacenter, random: runtime.random });
    const checks = [...agent.checks()].map(([id, check]) => [id, agentCheckAnswer(check, agent.identity)]);
    return sendJson(reply, Object.fromEntries(checks));
  });

  app.put("/v1/agent/check/register", async (request, reply) => {
    await agent.registerCheck(mustDecode(decodeCheck(readJsonBody(request.body))));
    return sendEmpty(reply);
  });

  app.put("/v1/agent/check/deregister/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    await agent.deregisterCheck(mustId(request.params, "check ID"));
    return sendEmpty(reply);
  });

  for (const { path, status } of heartbeats) {
    app.put(`/v1/agent/check/${path}/*`, { schema: { params: RestOfPath } }, async (request, reply) => {
      const note = queryOf(request).get("note") ?? "";
      await agent.updateTtlCheck(mustId(request.params, "check ID"), status, note);
      return sendEmpty(reply);
    });
  }

  const schema = { params: RestOfPath, body: StatusUpdate };
  app.put("/v1/agent/check/update/*", { schema }, async (request, reply) => {
    const { Status: status, Output: output } = request.body;
    await agent.updateTtlCheck(mustId(request.params, "check ID"), mustStatus(status), output ?? "");
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
