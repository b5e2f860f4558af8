import { textReply } from "../exchange/local-reply.ts";
import type { LocalReply, RequestPolicy } from "../exchange/policy.ts";
import type { Member } from "../connection-set.ts";
import { serveHttp } from "../http-door.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { Serving } from "../serving.ts";

/** What the admin address can be asked. */
export interface AdminPages {
  metrics(): LocalReply;
  ready(): LocalReply;
  config(): LocalReply;
  drain(): LocalReply;
}

/** The admin address of a proxy, served by the same code as everything else. */
export function createAdminListener(
  context: ProxyContext,
  options: { readonly listen: string; readonly pages: AdminPages },
): Serving<Member> {
  const policy: RequestPolicy = { decide: (head) => answer(head, options.pages) };
  const admin: Serving<Member> = new Serving({
    context,
    settings: () => ({ listen: options.listen, service: "admin", ...context.limits().admin }),
    isMutualTls: false,
    isAlwaysServed: true,
    serve: (connection, onClosed) => serveHttp({ connection, policy, context: admin.http, onClosed }),
    onRefused: () => undefined,
    onIdle: () => undefined,
  });
  return admin;
}

function answer(head: RequestHead, pages: AdminPages): LocalReply {
  const path = head.path.split("?")[0];
  const isRead = head.method === "GET" || head.method === "HEAD";
  const isWrite = head.method === "POST" || head.method === "PUT";
  if (path === "/drain") return isWrite ? pages.drain() : textReply(405, "use POST /drain");
  const page = { "/metrics": pages.metrics, "/ready": pages.ready, "/config": pages.config }[path ?? ""];
  if (page === undefined) return textReply(404, "known paths: /metrics /ready /config /drain");
  return isRead ? page() : textReply(405, `use GET ${path}`);
}
