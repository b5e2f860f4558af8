import { checkStatuses } from "../../lib/contract/catalog.ts";
import type { CheckRecord } from "../../lib/contract/catalog.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import type { ReadQuery } from "../../lib/http/read-query.ts";
import type { Read, StateReader } from "../state/reader.ts";
import { Type } from "typebox";
import { checkAnswer } from "../../lib/http/check-answer.ts";
import { meshSight, seesCheck, seesInstance } from "./acl-sight.ts";
import { healthEntryAnswer } from "./catalog-answers.ts";
import { combineReads } from "./combine-reads.ts";
import { filterInstances, hasNodeMeta } from "./instance-filters.ts";
import { mustName, NodePath, ServicePath } from "./path-name.ts";
import type { RouteContext } from "./server-routes.ts";

const StatePath = Type.Object({ state: Type.String() });

/** Reads of `/v1/health`: the entries of `service` come in the order of `/v1/catalog/service`, which clients rely on. */
export function registerHealthRoutes(app: HttpApp, { reads }: RouteContext): void {
  app.get("/v1/health/service/:service", { schema: { params: ServicePath } }, (request, reply) => {
    const service = mustName(request.params.service, "service name");
    return reads.answer(request, reply, {
      query: (reader) => reader.serviceInstances(service),
      body: (instances, wanted, sight) =>
        filterInstances(sight.keep(instances, seesInstance), wanted).map(healthEntryAnswer),
    });
  });

  app.get("/v1/health/connect/:service", { schema: { params: ServicePath } }, (request, reply) => {
    const service = mustName(request.params.service, "service name");
    return reads.answer(request, reply, {
      query: (reader) => reader.connectInstances(service),
      body: (instances, wanted, sight) =>
        filterInstances(meshSight(service, instances, sight), wanted).map(healthEntryAnswer),
    });
  });

  app.get("/v1/health/node/:node", { schema: { params: NodePath } }, (request, reply) => {
    const node = mustName(request.params.node, "node name");
    return reads.answer(request, reply, {
      query: (reader) => reader.nodeChecks(node),
      body: (checks, _wanted, sight) => sight.keep(checks, seesCheck).map(checkAnswer),
    });
  });

  app.get("/v1/health/checks/:service", { schema: { params: ServicePath } }, (request, reply) => {
    const service = mustName(request.params.service, "service name");
    return reads.answer(request, reply, {
      query: (reader, wanted) => checksOnNodes(reader, reader.serviceChecks(service), wanted),
      body: (checks, _wanted, sight) => sight.keep(checks, seesCheck).map(checkAnswer),
    });
  });

  app.get("/v1/health/state/:state", { schema: { params: StatePath } }, (request, reply) => {
    const state = mustState(request.params.state);
    return reads.answer(request, reply, {
      query: (reader, wanted) => checksOnNodes(reader, reader.checksInState(state), wanted),
      body: (checks, _wanted, sight) => sight.keep(checks, seesCheck).map(checkAnswer),
    });
  });
}

/** Keeps the checks of nodes with the wanted Meta; without such a wish the nodes are not looked at. */
function checksOnNodes(
  reader: StateReader,
  checks: Read<readonly CheckRecord[]>,
  { nodeMeta }: ReadQuery,
): Read<readonly CheckRecord[]> {
  if (Object.keys(nodeMeta).length === 0) return checks;
  const both = combineReads(checks, reader.nodes());
  const [all, nodes] = both.value;
  const kept = new Set(nodes.filter((node) => hasNodeMeta(node.Meta, nodeMeta)).map((node) => node.Node));
  return { ...both, value: all.filter((check) => kept.has(check.Node)) };
}

function mustState(text: string): (typeof checkStatuses)[number] | "any" {
  if (text === "any") return "any";
  const state = checkStatuses.find((status) => status === text);
  if (state !== undefined) return state;
  if (text === "") throw new AtollError("INVALID_ARGUMENT", "Missing check state");
  throw new AtollError("INVALID_ARGUMENT", `Invalid state "${text}": it must be any, passing, warning or critical`);
}
