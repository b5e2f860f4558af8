import type { AuditPayload, AuditResource, AuditServer } from "../lib/audit/audit-event.ts";
import { nobody } from "../lib/audit/audit-event.ts";
import type { AuditLog } from "../lib/audit/audit-log.ts";
import type { Runtime } from "../lib/base/runtime.ts";
import type { ServerLink } from "../lib/client/server-link.ts";
import type { DeregisterCommand, RegisterCommand } from "../lib/contract/commands.ts";
import { AtollError } from "../lib/contract/error-codes.ts";

/**
 * What agents change in the catalog, in the audit log of the server that made the change, which is the leader. An agent
 * brings the catalog in line with what it looks after: there is no request and no token, but the node that it proved to be.
 */
export interface AgentWriteAudit {
  readonly log: AuditLog;
  readonly server: AuditServer;
}

type Write = ServerLink["write"];

/** `write`, with an event for each that was made or refused; what another server has to do is that one's to tell. */
export function auditAgentWrites(
  write: Write,
  { log, server, runtime }: AgentWriteAudit & { readonly runtime: Pick<Runtime, "clock" | "random"> },
): Write {
  const say = (command: RegisterCommand | DeregisterCommand, id: string, response: AuditPayload["response"]): void => {
    const timestamp = new Date(runtime.clock.nowMs()).toISOString();
    log.record({
      created_at: timestamp,
      event_type: "audit",
      payload: {
        id: runtime.random.uuid(),
        version: "1",
        type: "AgentEvent",
        timestamp,
        auth: { ...nobody, node: nodeOf(command) },
        request: describe(command, id),
        resources: resourcesOf(command),
        server,
        stage: "OperationComplete",
        ...(response === undefined ? {} : { response }),
      },
    });
  };
  return async (command, signal, options) => {
    const { requestId = "" } = options ?? {};
    try {
      const written = await write(command, signal, options);
      say(command, requestId, { status: "OK", index: written.index });
      return written;
    } catch (thrown) {
      const status = thrown instanceof AtollError ? thrown.code : "INTERNAL";
      if (status !== "NO_LEADER") say(command, requestId, { status });
      throw thrown;
    }
  };
}

function describe(command: RegisterCommand | DeregisterCommand, id: string): AuditPayload["request"] {
  const route = command.type === "register" ? "Catalog.Register" : "Catalog.Deregister";
  const { type: operation } = command;
  return { operation, endpoint: route, route, query_params: {}, remote_addr: "", user_agent: "", host: "", id };
}

function nodeOf(command: RegisterCommand | DeregisterCommand): string {
  return command.type === "register" ? command.node.Node : command.node;
}

function resourcesOf(command: RegisterCommand | DeregisterCommand): AuditResource[] {
  const node = nodeOf(command);
  if (command.type === "register") {
    const service = command.service === undefined ? [] : [{ type: "service", name: command.service.ID, node }];
    const checks = command.checks.map(({ CheckID }) => ({ type: "check", name: CheckID, node }));
    return [...(command.skipNodeUpdate ? [] : [{ type: "node", name: node }]), ...service, ...checks];
  }
  if (command.serviceId !== undefined) return [{ type: "service", name: command.serviceId, node }];
  if (command.checkId !== undefined) return [{ type: "check", name: command.checkId, node }];
  return [{ type: "node", name: node }];
}
