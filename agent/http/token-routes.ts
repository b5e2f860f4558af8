import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendEmpty, sendText } from "../../lib/http/answers.ts";
import { createBodyDecoder, decodeFailed } from "../../lib/http/body-decoder.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { type AgentTokenName, agentTokenNames } from "../config/acl-options.ts";
import type { AgentRouteContext } from "./agent-routes.ts";
import { RestOfPath } from "./path-id.ts";

/** Names from before Consul 1.4, and those that it has renamed since, which old clients still send. */
const formerNames: Readonly<Record<string, AgentTokenName>> = {
  acl_token: "default",
  acl_agent_token: "agent",
  acl_agent_master_token: "agent_recovery",
  agent_master: "agent_recovery",
  acl_replication_token: "replication",
};

const TokenBody = Type.Object({ Token: Type.Optional(Type.String({ maxLength: 4_096 })) });
const decodeBody = createBodyDecoder(TokenBody);
/** How much of a name that nobody knows is repeated in the answer. */
const maxShownName = 80;

/** `PUT /v1/agent/token/:name`: sets a secret that the agent itself uses. */
export function registerTokenRoutes(app: HttpApp, { agent, authorize, control, runtime }: AgentRouteContext): void {
  const { tokens } = control;
  const logger = runtime.logger.child("http");

  app.put("/v1/agent/token/*", { schema: { params: RestOfPath } }, async (request, reply) => {
    // 401 before everything else: without ACLs there is nothing to be allowed.
    if (!tokens.isAclEnabled) return sendText(reply, 401, "ACL support disabled");
    demand(await authorize(request), "agent", "write", agent.identity.nodeName);
    const target = request.params["*"];
    const secret = readSecret(request.body);
    const name = nameOf(target);
    if (name === undefined) throw new AtollError("NOT_FOUND", `Token "${target.slice(0, maxShownName)}" is unknown`);
    await tokens.set(name, secret);
    logger.info("a token of the agent was set", { token: name });
    return sendEmpty(reply);
  });
}

function nameOf(target: string): AgentTokenName | undefined {
  if (Object.hasOwn(formerNames, target)) return formerNames[target];
  return agentTokenNames.find((name) => name === target);
}

function readSecret(body: unknown): string {
  const decoded = decodeBody(body);
  if (!decoded.ok) throw decodeFailed(decoded.message);
  const { value } = decoded;
  const secret = typeof value === "object" && value !== null && "Token" in value ? value.Token : "";
  return typeof secret === "string" ? secret : "";
}
