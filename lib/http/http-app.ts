import type { IncomingMessage } from "node:http";
import Fastify from "fastify";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
} from "fastify";
import type { RawServerDefault } from "fastify";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { Timer } from "../base/clock.ts";
import type { MeteredRuntime } from "../base/runtime.ts";
import { compileRequestSchema } from "./body-decoder.ts";
import { withDiscoveryStaleness } from "./discovery-staleness.ts";
import { answerError, answerRoutingError } from "./error-answers.ts";
import { createHotAnswers } from "./hot-answers.ts";
import type { HotAnswers } from "./hot-answers.ts";
import { createMethodTable } from "./method-table.ts";
import { createOpenRequests } from "./open-requests.ts";
import type { OpenRequests } from "./open-requests.ts";
import { createRequestMetrics } from "./request-metrics.ts";
import type { RequestMetrics } from "./request-metrics.ts";
import { checkRequestLine } from "./request-line.ts";

/**
 * The `/v1` edge that agent and servers share: one fastify instance that speaks HTTP as Consul does. It knows no route;
 * agent/http and server/http register theirs on it. It promises Consul's error texts, exact method lists, bodies read
 * whatever their content type, blocked queries that end with their client or with the app, and a count of every request.
 */
export type HttpApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression<RawServerDefault>,
  RawReplyDefaultExpression<RawServerDefault>,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export interface RegisteredRoute {
  readonly method: string;
  /** As registered, as in `/v1/kv/*`. */
  readonly url: string;
  /** JSON Schema of its body; absent where it has none. */
  readonly body?: object;
}

export interface HttpAppOptions {
  readonly runtime: MeteredRuntime;
  /** Largest body that is read; 512 KiB when absent, as Consul limits a value. */
  readonly bodyLimitBytes?: number;
  /** What applies where no ACL rule does; `allow` as long as ACLs are off. */
  readonly defaultAclPolicy?: "allow" | "deny";
  /** Indents every JSON answer, as Consul does in dev mode. */
  readonly isAlwaysPretty?: boolean;
  /** Reads of the catalog and of health that ask for no other mode may be so old; 0 or absent: they are the leader's. */
  readonly discoveryMaxStaleMs?: number;
  /** Longest request line and headers; the runtime's own limit when absent. */
  readonly maxHeaderBytes?: number;
}

declare module "fastify" {
  interface FastifyInstance {
    /** Requests that wait for a change, which the app ends when it closes. */
    readonly openRequests: OpenRequests;
    readonly isAlwaysPretty: boolean;
    /** Given before the router sees a request. */
    readonly hotAnswers: HotAnswers;
    /** Counts an answer that is given without the router, at every call of what it returns. */
    readonly countAnswer: RequestMetrics["counter"];
    /** Every route that was registered so far. */
    routeList(): readonly RegisteredRoute[];
  }
}

/** All types are read alike; for one that only `*` takes, fastify parses the header anew with every request. */
const namedTypes = ["*", "application/json", "application/x-www-form-urlencoded"];
export const defaultBodyLimitBytes = 512 * 1024;
/** Service names and KV keys are path parameters. */
const maxParamChars = 4096;
/** A client that has not sent its whole request by then is cut, so that slow ones cannot hold every connection. */
const requestTimeoutMs = 60_000;
/** Connections that are still busy this long after `close` are cut. */
const closeGraceMs = 2_000;

export function createHttpApp(options: HttpAppOptions): HttpApp {
  const { runtime } = options;
  const metrics = createRequestMetrics(runtime.metrics);
  const openRequests = createOpenRequests();
  const methodTable = createMethodTable();
  const logger = runtime.logger.child("http");
  const { discoveryMaxStaleMs = 0 } = options;
  const app: HttpApp = Fastify({
    logger: false,
    bodyLimit: options.bodyLimitBytes ?? defaultBodyLimitBytes,
    requestTimeout: requestTimeoutMs,
    ...(options.maxHeaderBytes !== undefined && { http: { maxHeaderSize: options.maxHeaderBytes } }),
    ...(discoveryMaxStaleMs > 0 && {
      rewriteUrl: (request: IncomingMessage) => withDiscoveryStaleness(request, discoveryMaxStaleMs),
    }),
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: maxParamChars, querystringParser: () => ({}) },
    frameworkErrors: answerRoutingError,
    clientErrorHandler: (error, socket) => {
      metrics.countMalformed(error.code);
      if (socket.writable) socket.end(error.code === "HPE_HEADER_OVERFLOW" ? tooLongAnswer : malformedAnswer);
      else socket.destroy();
    },
  });

  app.decorate("openRequests", openRequests);
  app.decorate("routeList", methodTable.list);
  app.decorate("isAlwaysPretty", options.isAlwaysPretty ?? false);
  const hotAnswers = createHotAnswers();
  app.decorate("hotAnswers", hotAnswers);
  app.decorate("countAnswer", metrics.counter);
  app.server.removeAllListeners("request");
  app.server.on("request", (request, response) => {
    if (!hotAnswers.take(request, response)) app.routing(request, response);
  });
  app.setValidatorCompiler(compileRequestSchema);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(namedTypes, { parseAs: "buffer" }, (_request, body, done) => done(null, body));

  app.addHook("onRoute", (route) => methodTable.add(route));
  const defaultAclPolicy = options.defaultAclPolicy ?? "allow";
  // Hooks that wait for nothing call back: as async functions they cost every request a turn of the microtask queue each.
  app.addHook("onRequest", (request, reply, done) => {
    if (request.url.startsWith("/v1/")) reply.raw.setHeader("X-Consul-Default-ACL-Policy", defaultAclPolicy);
    checkRequestLine(request);
    methodTable.refuseShadowed(request, reply);
    done();
  });
  app.setNotFoundHandler((request, reply) => methodTable.answer(request, reply));
  app.setErrorHandler((error, request, reply) => answerError({ error, request, reply, logger }));
  app.addHook("onResponse", (request, reply, done) => {
    metrics.count(request, reply);
    done();
  });

  let closeTimer: Timer | undefined;
  app.addHook("preClose", async () => {
    openRequests.endAll();
    closeTimer = runtime.clock.after(closeGraceMs, () => app.server.closeAllConnections());
  });
  app.addHook("onClose", async () => closeTimer?.cancel());
  return app;
}

const malformedAnswer = answerAndClose("400 Bad Request");
const tooLongAnswer = answerAndClose("431 Request Header Fields Too Large");

function answerAndClose(status: string): string {
  return (
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n` +
    `Content-Length: ${status.length}\r\n\r\n${status}`
  );
}
