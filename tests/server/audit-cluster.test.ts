import { expect, test } from "bun:test";
import { type AuditEvent, nobody } from "../../lib/audit/audit-event.ts";
import { auditRequests } from "../../lib/http/audit-requests.ts";
import { createHttpApp, type HttpApp } from "../../lib/http/http-app.ts";
import { createForwardHandler } from "../../server/http/forward-handler.ts";
import { registerServerRoutes } from "../../server/http/server-routes.ts";
import { type ClusterMember, createMembers, votersOf } from "./cluster-harness.ts";

/** A server with its HTTP API and an audit log that is a list. */
interface AuditedMember {
  readonly member: ClusterMember;
  readonly events: AuditEvent[];
  readonly app: HttpApp;
}

async function start(member: ClusterMember): Promise<AuditedMember> {
  const events: AuditEvent[] = [];
  const audit = {
    log: { record: (event: AuditEvent) => events.push(event), close: async () => undefined },
    server: { node: member.name, datacenter: "dc1" },
  };
  await member.start({ audit });
  const runtime = member.runtime();
  const app = createHttpApp({ runtime });
  auditRequests(app, { ...audit, runtime, identify: () => nobody });
  registerServerRoutes(app, { server: member.server(), runtime });
  member.server().setForwardHandler(createForwardHandler(app));
  await app.ready();
  return { member, events, app };
}

const told = ({ events }: AuditedMember): unknown[] =>
  events.map(({ payload }) => [payload.type, payload.stage, payload.resources.at(-1)?.name, payload.response?.status]);

test("a change is told of by the server that took it, what agents change by the leader, each once", async () => {
  await using cluster = await createMembers(3);
  const servers = await Promise.all(cluster.members.map(start));
  await votersOf(cluster, 3);
  const leading = await cluster.leader();
  const [leader, follower, third] = servers.toSorted(
    (a, b) => Number(b.member === leading) - Number(a.member === leading),
  );
  if (leader === undefined || follower === undefined || third === undefined) throw new Error("there are not three");

  const answer = await follower.app.inject({
    method: "PUT",
    url: "/v1/catalog/register",
    payload: JSON.stringify({ Node: "n1", Address: "10.0.0.1", Service: { Service: "web" } }),
  });
  expect([answer.statusCode, answer.body]).toEqual([200, "true"]);
  expect(told(follower)).toEqual([
    ["HTTPEvent", "OperationStart", "web", undefined],
    ["HTTPEvent", "OperationComplete", "web", "200"],
  ]);
  const complete = follower.events[1]?.payload;
  expect(complete?.response?.index).toBe(Number(answer.headers["x-atoll-index"]));
  expect(complete?.request.id).toBe(String(answer.headers["x-atoll-request-id"]));
  expect([told(leader), told(third)]).toEqual([[], []]);

  const never = new AbortController().signal;
  await follower.member.server().link.write({ type: "deregister", node: "n1", serviceId: "web" }, never);
  expect(told(leader)).toEqual([["AgentEvent", "OperationComplete", "web", "OK"]]);
  expect(leader.events[0]?.payload.auth.node).toBe("n1");
  expect([follower.events.length, told(third)]).toEqual([2, []]);

  // Nobody evades it by saying that another server has told of it.
  const headers = { "x-atoll-forwarded": "1" };
  await leader.app.inject({ method: "DELETE", url: "/v1/config/service-defaults/web", headers });
  expect(told(leader).slice(1)).toEqual([
    ["HTTPEvent", "OperationStart", "service-defaults/web", undefined],
    ["HTTPEvent", "OperationComplete", "service-defaults/web", "200"],
  ]);
  for (const { app } of servers) await app.close();
}, 30_000);
