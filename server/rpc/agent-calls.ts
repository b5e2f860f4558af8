/** What an enrolled agent may ask, and what it gets. Transport and authentication are done when these run. */
import type {
  ForwardAnswer,
  ForwardMessage,
  JsonMessage,
  SignResponse,
  WriteMessage,
} from "../../lib/client/rpc-methods.ts";
import type { ServerLink } from "../../lib/client/server-link.ts";
import { decodeWriteCommand, encodeJson } from "../../lib/client/wire-schemas.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Authority } from "../ca/authority.ts";
import type { AgentIdentity, CallerIdentity } from "./caller.ts";

export interface AgentCalls {
  write(message: WriteMessage, caller: CallerIdentity, signal: AbortSignal): Promise<{ readonly index: number }>;
  nodeRegistrations(
    message: { readonly node: string },
    caller: CallerIdentity,
    signal: AbortSignal,
  ): Promise<JsonMessage>;
  sign(message: { readonly csrPem: string }, caller: AgentIdentity): Promise<SignResponse>;
  forward(message: ForwardMessage, signal: AbortSignal): Promise<ForwardAnswer>;
}

export function createAgentCalls(options: {
  readonly link: Pick<ServerLink, "write" | "nodeRegistrations" | "forward">;
  /** For what another server sends on: answered here or not at all. Absent: as `link`. */
  readonly ownLink?: Pick<ServerLink, "write" | "nodeRegistrations">;
  readonly authority: Authority;
}): AgentCalls {
  const { link, authority } = options;
  const linkFor = (caller: CallerIdentity): Pick<ServerLink, "write" | "nodeRegistrations"> =>
    caller.kind === "server" ? (options.ownLink ?? link) : link;
  return {
    async write(message, caller, signal) {
      const command = decodeWriteCommand(message.json);
      const node = command.type === "register" ? command.node.Node : command.node;
      // A server has checked its own agents.
      if (caller.kind === "agent" && node !== caller.node) {
        throw new AtollError(
          "PERMISSION_DENIED",
          `the agent of node "${caller.node}" may not register for node "${node}"`,
        );
      }
      const { requestId = "" } = message;
      return linkFor(caller).write(command, signal, requestId === "" ? {} : { requestId });
    },
    async nodeRegistrations(message, caller, signal) {
      return { json: encodeJson(await linkFor(caller).nodeRegistrations(message.node, signal)) };
    },
    // Any enrolled agent may have any service of the datacenter signed: which services a node may speak for is said by
    // ACL tokens (service:write), which do not exist yet. Its own agent identity is renewed the same way.
    async sign(message, caller) {
      return authority.sign(message.csrPem, { services: true, agentNode: caller.node });
    },
    async forward(message, signal) {
      if (!message.url.startsWith("/v1/")) {
        throw new AtollError(
          "INVALID_ARGUMENT",
          `only /v1/ paths are forwarded, found ${JSON.stringify(message.url.slice(0, 80))}`,
        );
      }
      return link.forward(message, signal);
    },
  };
}
