import type { FastifyRequest } from "fastify";
import { demand } from "../../lib/acl/authorizer.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendEmpty, sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { MaintenanceWish } from "../maintenance.ts";
import type { AgentRouteContext } from "./agent-routes.ts";

/** What operators ask of an agent: maintenance of its node, its configuration read again, its version and its machine. */
export function registerControlRoutes(app: HttpApp, { agent, authorize, control }: AgentRouteContext): void {
  const { nodeName, version, revision, buildDate } = agent.identity;

  app.put("/v1/agent/maintenance", async (request, reply) => {
    const wish = readMaintenance(request);
    demand(await authorize(request), "node", "write", nodeName);
    await agent.setNodeMaintenance(wish);
    return sendEmpty(reply);
  });

  app.put("/v1/agent/reload", async (request, reply) => {
    demand(await authorize(request), "agent", "write", nodeName);
    await control.reload();
    return sendEmpty(reply);
  });

  app.get("/v1/agent/version", async (_request, reply) =>
    sendJson(reply, { SHA: revision, BuildDate: buildDate, HumanVersion: version, FIPS: "" }),
  );

  app.get("/v1/agent/host", async (request, reply) => {
    demand(await authorize(request), "operator", "read");
    return sendJson(reply, await control.hostReport());
  });
}

/** `?enable` and `?reason`, in the words of Go's ParseBool. */
export function readMaintenance(request: FastifyRequest): MaintenanceWish {
  const query = queryOf(request);
  const enable = query.get("enable") ?? "";
  if (enable === "") throw new AtollError("INVALID_ARGUMENT", "Missing value for enable");
  const isTrue = /^(?:1|t|T|true|TRUE|True)$/.test(enable);
  if (!isTrue && !/^(?:0|f|F|false|FALSE|False)$/.test(enable)) {
    throw new AtollError("INVALID_ARGUMENT", `Invalid value for enable: ${JSON.stringify(enable)}`);
  }
  return { isEnabled: isTrue, reason: query.get("reason") ?? "" };
}
