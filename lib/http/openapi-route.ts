import { apiReference } from "../api/api-reference.ts";
import { openApiDocument } from "../api/openapi.ts";
import { sendJson } from "./answers.ts";
import type { HttpApp, RegisteredRoute } from "./http-app.ts";

/** `/v1/openapi.json`: every route that this app has, as an OpenAPI 3.1 document. Made once, when it is asked for. */
export function registerOpenApiRoute(app: HttpApp, info: { readonly version: string }): void {
  let document: object | undefined;
  app.get("/v1/openapi.json", async (_request, reply) => {
    document ??= openApiDocument(registeredRoutes(app), apiReference, info);
    return sendJson(reply, document);
  });
}

export function registeredRoutes(app: HttpApp): readonly RegisteredRoute[] {
  return app.routeList().filter(({ url }) => url.startsWith("/v1/"));
}
