import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendEmpty, sendText } from "../../lib/http/answers.ts";
import { createBodyDecoder, decodeFailed } from "../../lib/http/body-decoder.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { type AgentTokenKind, agentTokenKinds } from "../tokens.ts";
import type { AgentRouteContext } from "./agent-routes.ts";
import { RestOfPath } from "./path-id.ts";

/** Names of before Consul 1.4, which old clients still send. */
const formerNames: Readonly<Record<string, AgentTokenKind>> = {
  acl_token: "default",
  acl_agent_token: "agent",
  acl_agent_master_token: "agent_recovery",
  agent_master: "agent_recovery",
  acl_replication_token: "replication",
};

const TokenBody = Type.Object({ Token: Type.Optional(Type.String({ maxLength: 4_096 })) });
const decodeBody = createBodyDecoder(TokenBody);

/** `PUT /v1/agent/token/:kind`: exchanges a token that the agent itself uses. */
export function registerTokenRoutes(app: HttpApp, { agent, authorize, control, runtime }: AgentRouteContext): void {
  const { tokens } = control;
  const logger = runtime.logger.child("http");

  app.put("/v1/agent/token/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    // 401 before everything else: without ACLs there is nothing to be allowed.
    if (!tokens.isAclEnabled) return sendText(reply, 401, "ACL support disabled");
    demand(await authorize(request), "agent", "write", agent.identity.nodeName);
    const target = request.params["*"];
    const secret = readSecret(request.body);
    const kind = kindOf(target);
    if (kind === undefined) throw new AtollError("NOT_FOUND", `Token "${target}" is unknown`);
    await tokens.set(kind, secret);
    logger.info("a token of the agent was exchanged", { token: kind });
    return sendEmpty(reply);
  });
}

function kindOf(target: string): AgentTokenKind | undefined {
  if (Object.hasOwn(formerNames, target)) return formerNames[target];
  return agentTokenKinds.find((kind) => kind === target);
}

function readSecret(body: unknown): string {
  const decoded = decodeBody(body);
  if (!decoded.ok) throw decodeFailed(decoded.message);
  const { value } = decoded;
  const token = typeof value === "object" && value !== null && "Token" in value ? value.Token : "";
  return typeof token === "string" ? token : "";
}
