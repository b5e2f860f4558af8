import type { FastifyReply, FastifyRequest, RouteOptions } from "fastify";
import { AtollError } from "../contract/error-codes.ts";
import { sendText } from "./answers.ts";

/**
 * Which methods each path has. Consul's lists are exact: another method is 405 with `Allow`, OPTIONS is answered from the
 * list and HEAD is not GET. fastify keeps one tree per method and would answer 404 for the first and let a parameter
 * (`/service/:id`) take a request that belongs to a fixed path (`/service/register`), so this table settles both.
 */
export interface MethodTable {
  add(route: RouteOptions): void;
  /** In the order in which they were registered, one for each method. */
  list(): readonly { readonly method: string; readonly url: string; readonly body?: object }[];
  /** Throws 405 when a parameter caught a fixed path that has other methods. */
  refuseShadowed(request: FastifyRequest, reply: FastifyReply): void;
  /** Answers a request that no route took: 405, the list for OPTIONS, or 404. */
  answer(request: FastifyRequest, reply: FastifyReply): FastifyReply;
}

interface PathEntry {
  readonly matches: (path: string) => boolean;
  readonly methods: string[];
}

export function createMethodTable(): MethodTable {
  const fixed = new Map<string, string[]>();
  const patterns = new Map<string, PathEntry>();
  const routes: { readonly method: string; readonly url: string; readonly body?: object }[] = [];

  const methodsOf = (path: string): readonly string[] | undefined =>
    fixed.get(path) ?? [...patterns.values()].find((entry) => entry.matches(path))?.methods;

  return {
    add(route) {
      const methods = Array.isArray(route.method) ? route.method : [route.method];
      const body: unknown = route.schema?.body;
      const schema = typeof body === "object" && body !== null ? { body } : {};
      routes.push(...methods.map((method) => ({ method, url: route.url, ...schema })));
      const list = isFixed(route.url) ? fixed.get(route.url) : patterns.get(route.url)?.methods;
      if (list !== undefined) list.push(...methods);
      else if (isFixed(route.url)) fixed.set(route.url, [...methods]);
      else patterns.set(route.url, { matches: compilePattern(route.url), methods: [...methods] });
    },
    list: () => routes,
    refuseShadowed(request, reply) {
      const routeUrl = request.routeOptions.url;
      if (routeUrl === undefined || isFixed(routeUrl)) return;
      const path = pathOf(request);
      const methods = fixed.get(path);
      if (methods === undefined || methods.includes(request.method)) return;
      setAllow(reply, methods);
      throw notAllowed(request.method);
    },
    answer(request, reply) {
      const methods = methodsOf(pathOf(request));
      if (methods === undefined) {
        return sendText(reply, 404, `Invalid URL path: ${pathProblem(pathOf(request))}\n`);
      }
      setAllow(reply, methods);
      if (request.method === "OPTIONS") return reply.code(200).send();
      const refusal = notAllowed(request.method);
      return sendText(reply, refusal.status, refusal.message);
    },
  };
}

function pathProblem(path: string): string {
  if (path.startsWith("/v1/")) return "not a recognized HTTP API endpoint";
  return "if attempting to use the HTTP API, ensure the path starts with '/v1/'";
}

function setAllow(reply: FastifyReply, methods: readonly string[]): void {
  reply.raw.setHeader("Allow", ["OPTIONS", ...methods].join(","));
}

function notAllowed(method: string): AtollError {
  return new AtollError("METHOD_NOT_ALLOWED", `method ${method} not allowed`);
}

function pathOf(request: FastifyRequest): string {
  const queryAt = request.url.indexOf("?");
  return queryAt < 0 ? request.url : request.url.slice(0, queryAt);
}

function isFixed(pattern: string): boolean {
  return !/[:*]/.test(pattern);
}

/** `:name` stands for one segment, `*` for the rest; everything else in a pattern is plain text. */
function compilePattern(pattern: string): (path: string) => boolean {
  const source = pattern
    .split(/(:[A-Za-z]+|\*)/)
    .map((part) => (part === "*" ? ".*" : part.startsWith(":") ? "[^/]*" : part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")))
    .join("");
  const expression = new RegExp(`^${source}$`);
  return (path) => expression.test(path);
}
