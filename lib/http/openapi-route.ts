import type { RouteOptions } from "fastify";
import { apiReference } from "../api/api-reference.ts";
import { openApiDocument, type RegisteredRoute } from "../api/openapi.ts";
import { sendJson } from "./answers.ts";
import type { HttpApp } from "./http-app.ts";

/** `/v1/openapi.json`: every route that this app has, as an OpenAPI 3.1 document. Made once, when it is asked for. */
export function registerOpenApiRoute(app: HttpApp, info: { readonly version: string }): void {
  let document: object | undefined;
  app.get("/v1/openapi.json", async (_request, reply) => {
    document ??= openApiDocument(registeredRoutes(app), apiReference, info);
    return sendJson(reply, document);
  });
}

/** The routes of `/v1`, one for each method. */
export function registeredRoutes(app: HttpApp): readonly RegisteredRoute[] {
  return app.routeList.flatMap((route) =>
    route.url.startsWith("/v1/") ? methodsOf(route).map((method) => registered(route, method)) : [],
  );
}

function methodsOf({ method }: RouteOptions): readonly string[] {
  return Array.isArray(method) ? method : [method];
}

function registered({ url, schema }: RouteOptions, method: string): RegisteredRoute {
  const body: unknown = schema?.body;
  return { method, url, ...(typeof body === "object" && body !== null && { body }) };
}
