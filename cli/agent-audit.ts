import type { AgentOptions } from "../agent/config/agent-options.ts";
import type { Authorizer } from "../lib/acl/authorizer.ts";
import { nobody } from "../lib/audit/audit-event.ts";
import { createAuditLog } from "../lib/audit/audit-log.ts";
import type { MeteredRuntime } from "../lib/base/runtime.ts";
import { auditRequests } from "../lib/http/audit-requests.ts";
import type { HttpApp } from "../lib/http/http-app.ts";
import { tokenOf } from "../lib/http/request-token.ts";
import type { AgentWriteAudit } from "../server/agent-write-audit.ts";
import { createAuditIdentity } from "../server/http/audit-identity.ts";
import type { Server } from "../server/server.ts";

/** The audit log of this process; undefined where none is configured. Whoever opens it closes it last. */
export function openAudit(options: AgentOptions, runtime: MeteredRuntime): AgentWriteAudit | undefined {
  if (options.audit?.isEnabled !== true) return undefined;
  const log = createAuditLog(options.audit, runtime);
  return { log, server: { node: options.nodeName, datacenter: options.datacenter } };
}

/** Tells it of the requests of the routes that are registered afterwards. */
export function auditHttp(
  app: HttpApp,
  audit: AgentWriteAudit,
  parts: {
    readonly server: Server | undefined;
    readonly runtime: MeteredRuntime;
    /** Where there is no server in this process: what a token may do, and whose it is. */
    readonly rights: (secret: string) => Promise<Pick<Authorizer, "accessorId">>;
  },
): void {
  const { server, runtime, rights } = parts;
  const identify =
    server === undefined
      ? async (request: Parameters<typeof tokenOf>[0]) => {
          const { accessorId } = await rights(tokenOf(request));
          return { ...nobody, accessor_id: accessorId };
        }
      : createAuditIdentity(server.acl);
  auditRequests(app, { ...audit, runtime, identify });
}
