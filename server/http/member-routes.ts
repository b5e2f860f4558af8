import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { createSight } from "../../lib/acl/sight.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { memberFields } from "../../lib/contract/filter-shapes.ts";
import type { MemberRecord } from "../../lib/contract/members.ts";
import { sendEmpty, sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { memberAnswer } from "../../lib/http/member-answer.ts";
import { createRecordFilter } from "../../lib/http/record-filter.ts";
import { checkDatacenter, parseFlag } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { setFilteredHeader } from "../../lib/http/request-token.ts";
import { mustName } from "./path-name.ts";
import type { RouteContext } from "./server-routes.ts";

const NodePath = Type.Object({ "*": Type.String() });
const memberFilter = createRecordFilter<object>(memberFields);

/** Who is in the cluster, as the servers know it. Agents answer `/v1/agent/members` and `force-leave` by asking here. */
export function registerMemberRoutes(app: HttpApp, context: RouteContext): void {
  const { server, authorize } = context;
  const { datacenter } = server;

  app.get("/v1/internal/members", async (request, reply) => {
    const sight = createSight(authorize(request));
    const query = queryOf(request);
    const isWan = parseFlag(query, "wan");
    const asked = server.reader.members().value.filter(({ Role }) => !isWan || Role === "consul");
    const members = sight.keep(asked, ({ Node }, authorizer) => authorizer.allows("node", "read", Node));
    if (sight.isFiltered()) setFilteredHeader(request, reply);
    const answers = members.map((member) => memberAnswer(withLease(member), { datacenter, isWan }));
    return sendJson(reply, memberFilter.apply(answers, query.get("filter") ?? ""));
  });

  app.put("/v1/internal/force-leave/*", { schema: { params: NodePath } }, async (request, reply) => {
    checkDatacenter(request, datacenter);
    demand(authorize(request), "operator", "write");
    const name = mustName(request.params["*"], "node name");
    // As Consul's command line has it, the name that a server has on the WAN.
    const node = name.endsWith(`.${datacenter}`) ? name.slice(0, -datacenter.length - 1) : name;
    if (server.leases === undefined) throw new AtollError("UNAVAILABLE", "this server keeps no leases");
    await server.leases.forceLeave(server.reader.member(name) === undefined ? node : name, {
      isForgotten: parseFlag(queryOf(request), "prune"),
    });
    return sendEmpty(reply);
  });
}

function withLease(member: MemberRecord) {
  const { Class, TtlMs, ReapAfterMs, SinceMs } = member;
  return { ...member, Lease: { Class, TtlMs, ReapAfterMs, SinceMs } };
}
