import { demand } from "../../lib/acl/authorizer.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendEmpty, sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { RaftMember } from "../raft/operator-api.ts";
import { createNodeNames } from "./node-names.ts";
import type { RouteContext } from "./server-routes.ts";

/** `/v1/operator/raft`: who replicates the log. The routes that Consul has not are named as its commands are. */
export function registerOperatorRoutes(app: HttpApp, { server, authorize }: RouteContext): void {
  const { operator } = server;
  const names = createNodeNames(server.reader);

  app.get("/v1/operator/raft/configuration", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "operator", "read");
    const { lastIndex, commitIndex } = operator.status();
    return sendJson(reply, {
      Servers: operator.members().map((member) => ({
        ID: member.node,
        Node: names.nameOf(member),
        Address: member.address,
        Leader: member.isLeader,
        ProtocolVersion: "3",
        Voter: member.isVoter,
        LastIndex: member.node === operator.nodeId ? lastIndex : (member.progress?.match ?? 0),
      })),
      Index: commitIndex,
    });
  });

  app.delete("/v1/operator/raft/peer", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "operator", "write");
    const member = mustMember(operator.members(), queryOf(request));
    await operator.remove(member.node, requestSignal(reply));
    return sendEmpty(reply);
  });

  app.post("/v1/operator/raft/transfer-leader", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "operator", "write");
    const id = queryOf(request).get("id") ?? "";
    if (id !== "") mustBeVoter(operator.members(), id);
    await operator.transferLeadership(id === "" ? undefined : id, requestSignal(reply));
    return sendJson(reply, { Success: true });
  });

  app.post("/v1/operator/raft/learner", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "operator", "write");
    const query = queryOf(request);
    const [node, address] = [query.get("id") ?? "", query.get("address") ?? ""];
    if (node === "" || address === "") {
      throw new AtollError("INVALID_ARGUMENT", "Must specify ?id with the server's ID and ?address as host:port");
    }
    await operator.addLearner({ node, address }, requestSignal(reply));
    return sendEmpty(reply);
  });

  app.post("/v1/operator/raft/promote", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "operator", "write");
    const member = mustMember(operator.members(), queryOf(request));
    await operator.promote(member.node, requestSignal(reply));
    return sendEmpty(reply);
  });
}

/** The member that `?id` or `?address` names; exactly one of them. Texts are Consul's. */
function mustMember(members: readonly RaftMember[], query: URLSearchParams): RaftMember {
  const [id, address] = [query.get("id") ?? "", query.get("address") ?? ""];
  if (id === "" && address === "") {
    throw new AtollError(
      "INVALID_ARGUMENT",
      "Must specify either ?id with the server's ID or ?address with IP:port of peer to remove",
    );
  }
  if (id !== "" && address !== "") {
    throw new AtollError("INVALID_ARGUMENT", "Must specify only one of ?id or ?address");
  }
  const found = members.find((member) => (id === "" ? member.address === address : member.node === id));
  if (found !== undefined) return found;
  const what = id === "" ? `address "${address}"` : `id "${id}"`;
  throw new AtollError("NOT_FOUND", `${what} was not found in the Raft configuration`, { status: 500 });
}

function mustBeVoter(members: readonly RaftMember[], id: string): void {
  const member = members.find(({ node }) => node === id);
  if (member?.isVoter === true) return;
  const why = member === undefined ? "was not found in the Raft configuration" : "is no voter and cannot lead";
  throw new AtollError("INVALID_ARGUMENT", `id "${id}" ${why}`, { status: member === undefined ? 500 : 400 });
}
