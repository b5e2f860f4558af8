import { textReply } from "../exchange/local-reply.ts";
import type { Decision, LocalReply, RequestPolicy } from "../exchange/policy.ts";
import type { Member } from "../connection-set.ts";
import { serveHttp } from "../http-door.ts";
import { defaultRequestRules } from "../message/request-rules.ts";
import type { RequestHead } from "../message/request-head.ts";
import type { ProxyContext } from "../proxy-context.ts";
import { Serving } from "../serving.ts";
import { laterReply } from "./later-reply.ts";

/** What the admin address can be asked. */
export interface AdminPages {
  metrics(): LocalReply | Promise<LocalReply>;
  ready(): LocalReply;
  config(): LocalReply;
  /** Every effective value, with where it comes from. */
  settings(): LocalReply;
  tap(head: RequestHead, query: string): Decision;
  drain(): LocalReply;
  restart(): LocalReply;
}

/** The admin address of a proxy, served by the same code as everything else. */
export function createAdminListener(
  context: ProxyContext,
  options: { readonly listen: string; readonly pages: AdminPages },
): Serving<Member> {
  const policy: RequestPolicy = { decide: (head) => answer(head, options.pages) };
  const fixed = {
    listen: options.listen,
    service: "admin",
    protocol: "http",
    requestRules: defaultRequestRules,
    grpcWeb: false,
  } as const;
  const admin: Serving<Member> = new Serving({
    context,
    settings: () => {
      const { admin: limits } = context.limits();
      return { ...fixed, ...limits, streamIdleTimeoutMs: limits.idleTimeoutMs };
    },
    isMutualTls: false,
    isAlwaysServed: true,
    isAlone: true,
    serve: (connection, seat) =>
      serveHttp({ connection, service: { context: admin.http, policyFor: () => policy }, seat }),
    onRefused: () => undefined,
    onIdle: () => undefined,
  });
  return admin;
}

function answer(head: RequestHead, pages: AdminPages): Decision {
  const mark = head.path.indexOf("?");
  const path = mark < 0 ? head.path : head.path.slice(0, mark);
  const query = mark < 0 ? "" : head.path.slice(mark + 1);
  const isRead = head.method === "GET" || head.method === "HEAD";
  const isWrite = head.method === "POST" || head.method === "PUT";
  const order = { "/drain": pages.drain, "/restart": pages.restart }[path];
  if (order !== undefined) return isWrite ? order() : textReply(405, `use POST ${path}`);
  if (path === "/tap") return isRead ? pages.tap(head, query) : textReply(405, "use GET /tap");
  const page = {
    "/metrics": pages.metrics,
    "/ready": pages.ready,
    "/config": query === "sources" ? pages.settings : pages.config,
  }[path];
  if (page === undefined)
    return textReply(404, "known paths: /metrics /ready /config /config?sources /tap /drain /restart");
  if (!isRead) return textReply(405, `use GET ${path}`);
  const reply = page();
  return reply instanceof Promise ? laterReply(head, reply) : reply;
}
