/** What an enrolled agent may ask, and what it gets. Transport and authentication are done when these run. */
import type {
  ForwardAnswer,
  ForwardMessage,
  JsonMessage,
  SignMessage,
  SignResponse,
  WriteMessage,
} from "../../lib/client/rpc-methods.ts";
import type { ForwardSender, ServerLink } from "../../lib/client/server-link.ts";
import { decodeWriteCommand, encodeJson } from "../../lib/client/wire-schemas.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { AgentJudge } from "../acl/agent-judge.ts";
import type { Authority } from "../ca/authority.ts";
import type { AgentIdentity, CallerIdentity } from "./caller.ts";

const servers: ForwardSender = { kind: "server" };

export interface AgentCalls {
  write(message: WriteMessage, caller: CallerIdentity, signal: AbortSignal): Promise<{ readonly index: number }>;
  nodeRegistrations(
    message: { readonly node: string },
    caller: CallerIdentity,
    signal: AbortSignal,
  ): Promise<JsonMessage>;
  sign(message: SignMessage, caller: AgentIdentity): Promise<SignResponse>;
  forward(message: ForwardMessage, from: ForwardSender, signal: AbortSignal): Promise<ForwardAnswer>;
}

export function createAgentCalls(options: {
  readonly link: Pick<ServerLink, "write" | "nodeRegistrations" | "forward">;
  /** For what another server sends on: answered here or not at all. Absent: as `link`. */
  readonly ownLink?: Pick<ServerLink, "write" | "nodeRegistrations">;
  readonly authority: Authority;
  /** Absent: ACLs are off. */
  readonly judge?: AgentJudge;
}): AgentCalls {
  const { link, authority, judge } = options;
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
      const { requestId = "", token = "" } = message;
      if (caller.kind === "agent") await judge?.judged(() => judge.demandWrite(command, { node, token }));
      return linkFor(caller).write(command, signal, requestId === "" ? {} : { requestId });
    },
    async nodeRegistrations(message, caller, signal) {
      if (caller.kind === "agent" && message.node !== caller.node) {
        throw new AtollError(
          "PERMISSION_DENIED",
          `the agent of node "${caller.node}" may not read the registrations of node "${message.node}"`,
        );
      }
      return { json: encodeJson(await linkFor(caller).nodeRegistrations(message.node, signal)) };
    },
    // Its own agent identity is renewed the same way. Without ACLs an enrolled agent may have any service signed.
    async sign({ csrPem, token = "" }, caller) {
      const scope = { services: true, agentNode: caller.node };
      if (judge === undefined) return authority.sign(csrPem, scope);
      const demandService = (service: string): void => judge.demandService(service, { node: caller.node, token });
      return judge.judged(() => authority.sign(csrPem, { ...scope, demandService }));
    },
    async forward({ method, url, headers, body }, from, signal) {
      if (!url.startsWith("/v1/")) {
        throw new AtollError(
          "INVALID_ARGUMENT",
          `only /v1/ paths are forwarded, found ${JSON.stringify(url.slice(0, 80))}`,
        );
      }
      const sender = from.kind === "agent" ? { kind: from.kind, node: from.node } : servers;
      return link.forward({ method, url, headers, body, sender }, signal);
    },
  };
}
