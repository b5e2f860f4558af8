import { demandDeregister, demandRegister } from "../acl/catalog-writes.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter, parseFlag } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { proposeOrThrow } from "./propose.ts";
import { deregisterCommand, registerCommand } from "./register-command.ts";
import { DeregisterBody, RegisterBody } from "./register-schema.ts";
import type { RouteContext } from "./server-routes.ts";

/** Writes of `/v1/catalog`, for nodes and services that no agent looks after; each answers `true`. */
export function registerCatalogWriteRoutes(app: HttpApp, { server, authorize }: RouteContext): void {
  app.put("/v1/catalog/register", { schema: { body: RegisterBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const authorizer = authorize(request);
    const command = registerCommand(request.body, server.datacenter);
    demandRegister(command, authorizer, server.reader);
    await proposeOrThrow({ server, request, command });
    return sendJson(reply, true);
  });

  app.put("/v1/catalog/deregister", { schema: { body: DeregisterBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const authorizer = authorize(request);
    const isForced = parseFlag(queryOf(request), "force");
    const command = deregisterCommand(request.body, { datacenter: server.datacenter, isForced });
    demandDeregister(command, authorizer, server.reader);
    await proposeOrThrow({ server, request, command });
    return sendJson(reply, true);
  });
}
