import type { LocalReply, RequestPolicy } from "../http1/exchange.ts";
import type { MessageHead } from "../http1/head.ts";
import { textReply } from "../http1/local-reply.ts";
import { ServerConnection } from "../http1/server-connection.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { Serving } from "../serving.ts";

/** What the admin address can be asked. */
export interface AdminPages {
  metrics(): LocalReply;
  ready(): LocalReply;
  config(): LocalReply;
  drain(): LocalReply;
}

const maxConnections = 64;
const idleTimeoutMs = 60_000;

/** The admin address of a proxy, served by the same HTTP/1.1 code as everything else. */
export function createAdminListener(
  context: ProxyContext,
  options: { readonly listen: string; readonly pages: AdminPages },
): Serving<ServerConnection> {
  const policy: RequestPolicy = { decide: (head) => answer(head, options.pages) };
  const admin: Serving<ServerConnection> = new Serving({
    context,
    settings: () => ({ listen: options.listen, maxConnections, idleTimeoutMs }),
    isMutualTls: false,
    serve: (connection, onClosed) => new ServerConnection({ connection, policy, context: admin.http, onClosed }),
    onRefused: () => undefined,
    onIdle: () => undefined,
  });
  return admin;
}

function answer(head: MessageHead, pages: AdminPages): LocalReply {
  const path = head.target.split("?")[0];
  const isRead = head.isMethod("GET") || head.isMethod("HEAD");
  const isWrite = head.isMethod("POST") || head.isMethod("PUT");
  if (path === "/drain") return isWrite ? pages.drain() : textReply(405, "use POST /drain");
  const page = { "/metrics": pages.metrics, "/ready": pages.ready, "/config": pages.config }[path ?? ""];
  if (page === undefined) return textReply(404, "known paths: /metrics /ready /config /drain");
  return isRead ? page() : textReply(405, `use GET ${path}`);
}
