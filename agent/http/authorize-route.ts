import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { compareIntentions, decideIntention, type Intention, wildcard } from "../../lib/contract/intentions.ts";
import { parseSpiffeId } from "../../lib/contract/spiffe.ts";
import type { IntentionsValue } from "../../lib/contract/topics.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import type { AgentRouteContext } from "./agent-routes.ts";

const AuthorizeBody = Type.Object({
  Target: Type.Optional(Type.String()),
  ClientCertURI: Type.Optional(Type.String()),
  ClientCertSerial: Type.Optional(Type.String()),
});

/**
 * `POST /v1/agent/connect/authorize`: whether the holder of a client certificate may connect to a service of this host, for
 * applications that do their own mTLS. It judges connections, so an intention that looks at requests is a no.
 */
export function registerAuthorizeRoute(app: HttpApp, { agent, authorize }: AgentRouteContext): void {
  app.post("/v1/agent/connect/authorize", { schema: { body: AuthorizeBody } }, async (request, reply) => {
    const { Target: target = "", ClientCertURI: uri = "" } = request.body;
    if (target === "") throw new AtollError("INVALID_ARGUMENT", "Target service must be specified");
    const client = parseSpiffeId(uri);
    if (client === undefined || client.kind !== "service") {
      throw new AtollError("INVALID_ARGUMENT", `ClientCertURI not a valid Service identifier: ${JSON.stringify(uri)}`);
    }
    demand(await authorize(request), "service", "write", target);
    const signal = requestSignal(reply);
    const roots = await agent.caRoots({ minIndex: 0, waitMs: 0, signal });
    if (client.trustDomain !== roots.value.trustDomain) {
      return sendJson(reply, {
        Authorized: false,
        Reason: `Identity from an external trust domain: ${client.trustDomain}`,
      });
    }
    const intentions = await agent.intentions(target, signal);
    reply.raw.setHeader("X-Cache", "HIT");
    reply.raw.setHeader("Age", "0");
    return sendJson(reply, decide(intentions, { source: client.service, destination: target }));
  });
}

function decide(
  { rules, defaultAction, isDefaultSet = false }: IntentionsValue,
  pair: { readonly source: string; readonly destination: string },
): { readonly Authorized: boolean; readonly Reason: string } {
  const known = rules.filter(({ destinationName: name }) => name === pair.destination || name === wildcard);
  const { action, intention } = decideIntention(known.toSorted(compareIntentions), pair, defaultAction);
  if (intention === undefined) {
    const Reason = isDefaultSet ? "Default intention policy" : "Default behavior configured by ACLs";
    return { Authorized: action === "allow", Reason };
  }
  const isOfRequests = intention.permissions !== undefined;
  return {
    Authorized: !isOfRequests && action === "allow",
    Reason: `Matched ${isOfRequests ? "L7 " : ""}intention: ${intentionText(intention)}`,
  };
}

function intentionText({ sourceName, destinationName, action, permissions, precedence }: Intention): string {
  const what = permissions === undefined ? action.toUpperCase() : `${permissions.length} PERMISSIONS`;
  return `${what} default/${sourceName} => default/${destinationName} (Precedence: ${precedence})`;
}
