import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendEmpty } from "../../lib/http/answers.ts";
import { createBodyDecoder, decodeFailed } from "../../lib/http/body-decoder.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { type AgentTokenName, agentTokenNames } from "../config/acl-options.ts";
import type { AgentRouteContext } from "./agent-routes.ts";

const NamePath = Type.Object({ name: Type.String() });
const decodeBody = createBodyDecoder(Type.Object({ Token: Type.Optional(Type.String()) }));

/** Names from before Consul 1.4, and those that it has renamed since. */
const formerNames: Readonly<Record<string, AgentTokenName>> = {
  acl_token: "default",
  acl_agent_token: "agent",
  acl_agent_master_token: "agent_recovery",
  agent_master: "agent_recovery",
  acl_replication_token: "replication",
};

/** `/v1/agent/token/:name`: sets a secret that the agent itself uses. */
export function registerTokenRoutes(app: HttpApp, { agent, authorize, isAclEnabled }: AgentRouteContext): void {
  app.put("/v1/agent/token/:name", { schema: { params: NamePath } }, async (request, reply) => {
    if (isAclEnabled !== true) throw new AtollError("PERMISSION_DENIED", "ACL support disabled", { status: 401 });
    demand(await authorize(request), "agent", "write", agent.identity.nodeName);
    const { name } = request.params;
    const former = Object.hasOwn(formerNames, name) ? formerNames[name] : undefined;
    const known = agentTokenNames.find((one) => one === name) ?? former;
    if (known === undefined) throw new AtollError("NOT_FOUND", `Token "${name.slice(0, 80)}" is unknown`);
    await agent.setToken(known, readSecret(request.body));
    return sendEmpty(reply);
  });
}

function readSecret(body: unknown): string {
  const decoded = decodeBody(body);
  if (!decoded.ok) throw decodeFailed(decoded.message);
  const { value } = decoded;
  const secret = typeof value === "object" && value !== null && "Token" in value ? value.Token : "";
  return typeof secret === "string" ? secret : "";
}
