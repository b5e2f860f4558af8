import { demand } from "../../lib/acl/authorizer.ts";
import { formatDurationMs } from "../../lib/base/duration.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { rfc3339 } from "../../lib/x509/certificate.ts";
import type { ServerHealth } from "../autopilot/health.ts";
import { AutopilotBody, autopilotConfigAnswer, autopilotConfigOf } from "./autopilot-config.ts";
import { parseCas } from "./cas.ts";
import { createNodeNames, type NodeNames } from "./node-names.ts";
import { proposeOrThrow } from "./propose.ts";
import type { RouteContext } from "./server-routes.ts";

/** `/v1/operator/autopilot`: how the servers are looked after, and how they are. */
export function registerAutopilotRoutes(app: HttpApp, { server, reads, authorize }: RouteContext): void {
  const names = createNodeNames(server.reader);

  app.get("/v1/operator/autopilot/configuration", (request, reply) =>
    reads.answer(request, reply, {
      requires: (authorizer) => demand(authorizer, "operator", "read"),
      query: (reader) => reader.autopilot(),
      body: autopilotConfigAnswer,
    }),
  );

  app.put("/v1/operator/autopilot/configuration", { schema: { body: AutopilotBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "operator", "write");
    const config = autopilotConfigOf(request.body);
    const command = { type: "autopilot-upsert", config, ...parseCas(queryOf(request)) } as const;
    return sendJson(reply, await proposeOrThrow({ server, request, command }));
  });

  app.get("/v1/operator/autopilot/health", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "operator", "read");
    const health = server.autopilot.health();
    const { term } = server.operator.status();
    // Consul's: a probe that looks at the status alone learns that something is wrong.
    reply.code(health.isHealthy ? 200 : 429);
    return sendJson(reply, {
      Healthy: health.isHealthy,
      FailureTolerance: health.failureTolerance,
      Servers: health.servers.map((one) => ({
        ...commonFields(one, names),
        SerfStatus: one.isAlive ? "alive" : "failed",
        LastTerm: term,
        Leader: one.isLeader,
        Voter: one.isVoter,
      })),
    });
  });

  app.get("/v1/operator/autopilot/state", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "operator", "read");
    const health = server.autopilot.health();
    const { term } = server.operator.status();
    const servers = health.servers.map((one) => [
      one.node,
      {
        ...commonFields(one, names),
        NodeStatus: one.isAlive ? "alive" : "failed",
        LastTerm: term,
        ReadReplica: false,
        Status: statusOf(one),
        NodeType: one.isVoter ? "voter" : "non-voter",
        Meta: null,
      },
    ]);
    return sendJson(reply, {
      Healthy: health.isHealthy,
      FailureTolerance: health.failureTolerance,
      OptimisticFailureTolerance: health.failureTolerance,
      Servers: Object.fromEntries(servers),
      Leader: health.servers.find((one) => one.isLeader)?.node ?? "",
      Voters: health.servers.filter((one) => one.isVoter).map((one) => one.node),
    });
  });
}

function statusOf(one: ServerHealth): "leader" | "voter" | "non-voter" {
  if (one.isLeader) return "leader";
  return one.isVoter ? "voter" : "non-voter";
}

function commonFields(one: ServerHealth, names: NodeNames): object {
  return {
    ID: one.node,
    Name: names.nameOf(one),
    Address: one.address,
    Version: "",
    LastContact: formatDurationMs(one.lastContactMs),
    LastIndex: one.lastIndex,
    Healthy: one.isHealthy,
    StableSince: rfc3339(one.stableSinceMs),
  };
}
