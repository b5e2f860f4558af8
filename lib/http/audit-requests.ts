import type { FastifyReply, FastifyRequest } from "fastify";
import { type AuditAuth, type AuditPayload, type AuditServer, nobody } from "../audit/audit-event.ts";
import type { AuditLog } from "../audit/audit-log.ts";
import { auditCreated, auditResources } from "../audit/audit-resources.ts";
import type { Runtime } from "../base/runtime.ts";
import { senderOf } from "./direct-exchange.ts";
import type { HttpApp } from "./http-app.ts";
import { queryOf } from "./request-line.ts";

/**
 * Tells the audit log of every request that may change something: once before it is run and once when it was answered.
 * Routes that only read get no hook at all.
 */
export interface AuditRequestsOptions {
  readonly log: AuditLog;
  readonly server: AuditServer;
  readonly runtime: Pick<Runtime, "clock" | "random">;
  /** Whose token the request brings. What it throws is taken for nobody. */
  readonly identify: (request: FastifyRequest) => AuditAuth | Promise<AuditAuth>;
}

declare module "fastify" {
  interface FastifyRequest {
    /** What was said of it at its start; null for requests that nobody is told of. */
    audited: AuditPayload | null;
  }
}

const readMethods: readonly string[] = ["GET", "HEAD", "OPTIONS"];
/** They answer questions, or say that what is there is still alive. */
const unchanging =
  /^\/v1\/(?:acl\/templated-policy\/preview\/|internal\/acl\/authorize$|discovery-chain\/|agent\/connect\/authorize$|agent\/check\/(?:pass|warn|fail|update)\/|session\/renew\/|coordinate\/update$)/;
/** Of the parameters that routes know; others, such as `token`, are left out. */
const namedParameters =
  /^(?:acquire|address|by|cas|datacenter|dc|delete-policy|destination|enable|flags|id|index|name|node|prune|reason|recurse|release|replace-existing-checks|service|source|tag|wan)$/;
const maxTextChars = 256;

/** Applies to the routes that are registered on `app` afterwards. */
export function auditRequests(app: HttpApp, options: AuditRequestsOptions): void {
  const { log, server, runtime } = options;
  app.decorateRequest("audited", null);

  const timestamp = (): string => new Date(runtime.clock.nowMs()).toISOString();
  const say = (payload: AuditPayload): void =>
    log.record({ created_at: payload.timestamp, event_type: "audit", payload });
  const start = async (request: FastifyRequest): Promise<void> => {
    if (request.audited !== null || readMethods.includes(request.method)) return;
    const sender = senderOf(request);
    // The server that took it tells its own log.
    if (sender?.kind === "server") return;
    // Asked before the request is run: a token may be gone afterwards.
    const auth = await identify(request, options);
    request.audited = {
      id: runtime.random.uuid(),
      version: "1",
      type: "HTTPEvent",
      timestamp: timestamp(),
      auth: sender === undefined ? auth : { ...auth, node: sender.node },
      request: describe(request),
      resources: auditResources(subject(request)),
      server,
      stage: "OperationStart",
    };
    say(request.audited);
  };
  const noteCreated = async (request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> => {
    // Refused before it came to the handler: nothing of its body was believed.
    await start(request);
    const created = reply.statusCode === 200 ? auditCreated(pathOf(request), payload) : undefined;
    const { audited } = request;
    if (audited !== null) {
      const complete = { ...audited, timestamp: timestamp(), stage: "OperationComplete" } as const;
      request.audited = {
        ...complete,
        // A server that follows names a write when it runs it.
        request: { ...audited.request, id: idOf(request) },
        response: {
          status: String(reply.statusCode),
          ...indexOf(reply),
          ...(created === undefined ? {} : { created }),
        },
      };
    }
    return payload;
  };
  const end = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const { audited } = request;
    request.audited = null;
    if (audited?.response !== undefined) say(audited);
    // The client went away before there was an answer to it; the change goes on.
    else if (audited !== null) {
      const status = reply.raw.headersSent ? String(reply.statusCode) : "unknown";
      say({ ...audited, timestamp: timestamp(), stage: "OperationComplete", response: { status } });
    }
    done();
  };

  app.addHook("onRoute", (route) => {
    const methods = [route.method].flat();
    if (!route.url.startsWith("/v1/") || unchanging.test(route.url)) return;
    if (methods.every((method) => readMethods.includes(method))) return;
    route.preHandler = [start, ...[route.preHandler ?? []].flat()];
    route.onSend = [...[route.onSend ?? []].flat(), noteCreated];
    route.onResponse = [...[route.onResponse ?? []].flat(), end];
  });
}

async function identify(request: FastifyRequest, options: AuditRequestsOptions): Promise<AuditAuth> {
  try {
    return await options.identify(request);
  } catch {
    return nobody;
  }
}

function describe(request: FastifyRequest): AuditPayload["request"] {
  const { headers } = request;
  const path = request.url.split("?", 1)[0] ?? "";
  return {
    operation: request.method,
    endpoint: path.slice(0, 1_024),
    route: routeOf(request),
    query_params: parametersOf(request),
    remote_addr: addressOf(request),
    user_agent: cut(headers["user-agent"]),
    host: cut(headers.host),
    id: idOf(request),
  };
}

function subject(request: FastifyRequest): Parameters<typeof auditResources>[0] {
  return { path: pathOf(request), query: parametersOf(request), body: request.body };
}

/** With its escapes undone; requests where they cannot be were refused before. */
function pathOf({ url }: FastifyRequest): string {
  const path = url.split("?", 1)[0] ?? "";
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? "";
}

function parametersOf(request: FastifyRequest): Record<string, string> {
  const known = [...queryOf(request)].filter(([name]) => namedParameters.test(name));
  return Object.fromEntries(known.map(([name, value]) => [name, cut(value)]));
}

function addressOf({ socket }: FastifyRequest): string {
  const { remoteAddress = "", remotePort } = socket;
  return remotePort === undefined ? remoteAddress : `${remoteAddress}:${remotePort}`;
}

function idOf(request: FastifyRequest): string {
  return cut(request.headers["x-atoll-request-id"]);
}

function indexOf(reply: FastifyReply): { readonly index?: number } {
  const index = Number(reply.raw.getHeader("x-atoll-index") ?? Number.NaN);
  return Number.isSafeInteger(index) ? { index } : {};
}

function cut(value: string | string[] | undefined): string {
  const text = Array.isArray(value) ? value.join(", ") : (value ?? "");
  return text.length > maxTextChars ? text.slice(0, maxTextChars) : text;
}
