import {
  type AnswerKind,
  type ApiReference,
  commonParameters,
  queryParameters,
  type RouteReference,
} from "./route-reference.ts";

/** A route as it is registered: of it the document takes the path and the schema of its body. */
export interface RegisteredRoute {
  readonly method: string;
  /** With `:name` for a segment and `*` for the rest. */
  readonly url: string;
  /** JSON Schema of the body. */
  readonly body?: object;
}

export interface DocumentInfo {
  readonly version: string;
}

/** The OpenAPI 3.1 document of routes. A route without a reference has its path and schema and nothing else. */
export function openApiDocument(
  routes: readonly RegisteredRoute[],
  reference: ApiReference,
  { version }: DocumentInfo,
): object {
  const paths = new Map<string, Map<string, object>>();
  for (const route of routes) {
    const entry = reference[referenceKey(route)];
    const path = entry?.path ?? templated(route.url);
    const operations = paths.get(path) ?? new Map<string, object>();
    operations.set(route.method.toLowerCase(), operation(route, path, entry));
    paths.set(path, operations);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Atoll HTTP API",
      version,
      description: "The catalog, configuration and agents of an Atoll mesh, in the wire format of Consul's /v1.",
    },
    servers: [{ url: "http://127.0.0.1:8500" }],
    security: [{}, { token: [] }, { bearer: [] }],
    tags: [...new Set(routes.map(({ url }) => groupOf(url)))].sort().map((name) => ({ name })),
    paths: Object.fromEntries(
      [...paths]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([path, operations]) => [path, Object.fromEntries(operations)]),
    ),
    components: {
      securitySchemes: {
        token: { type: "apiKey", in: "header", name: "X-Consul-Token" },
        bearer: { type: "http", scheme: "bearer" },
      },
      parameters: Object.fromEntries(
        Object.entries(queryParameters).map(([name, { description, schema }]) => [
          name,
          { name, in: "query", description, schema, allowEmptyValue: schema["type"] === "string" },
        ]),
      ),
      responses: { Refused: { description: "What is wrong, as a sentence", content: content("text") } },
    },
  };
}

/** Under which a route is found in the reference. */
export function referenceKey({ method, url }: Pick<RegisteredRoute, "method" | "url">): string {
  return `${method} ${url}`;
}

function operation(route: RegisteredRoute, path: string, reference: RouteReference | undefined): object {
  const query = [...(reference?.query ?? []), ...commonParameters];
  const body = bodyOf(route, reference);
  return {
    operationId: operationId(route.method, path),
    tags: [groupOf(route.url)],
    ...(reference !== undefined && { summary: reference.summary }),
    ...(reference?.rule !== undefined && { "x-acl-rule": reference.rule }),
    parameters: [
      ...[...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => ({
        name,
        in: "path",
        required: true,
        schema: { type: "string" },
      })),
      ...query.map((name) => ({ $ref: `#/components/parameters/${name}` })),
    ],
    ...(body !== undefined && { requestBody: { content: body } }),
    responses: { "200": answer(reference?.answer ?? "json"), default: { $ref: "#/components/responses/Refused" } },
  };
}

function bodyOf(route: RegisteredRoute, reference: RouteReference | undefined): object | undefined {
  if (reference?.body === "bytes") return content("bytes");
  if (route.body !== undefined) return { "application/json": { schema: route.body } };
  return reference?.body === "json" ? content("json") : undefined;
}

function answer(kind: AnswerKind): object {
  if (kind === "nothing") return { description: "Done" };
  return { description: "Done", content: content(kind) };
}

function content(kind: Exclude<AnswerKind, "nothing">): object {
  switch (kind) {
    case "json":
      return { "application/json": { schema: {} } };
    case "boolean":
      return { "application/json": { schema: { type: "boolean" } } };
    case "text":
    case "stream":
      return { "text/plain": { schema: { type: "string" } } };
    case "bytes":
      return { "application/octet-stream": { schema: { type: "string", format: "binary" } } };
  }
}

/** `/v1/health/service/:service` is `/v1/health/service/{service}`. */
function templated(url: string): string {
  return url.replace(/:([A-Za-z]+)/g, "{$1}").replace("*", "{rest}");
}

/** `getHealthServiceByService`. */
function operationId(method: string, path: string): string {
  const words = path
    .replace(/^\/v1\//, "")
    .split(/[/-]/)
    .map((word) => (word.startsWith("{") ? `By${capital(word.slice(1, -1))}` : capital(word)));
  return method.toLowerCase() + words.join("");
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1).replace(/[^A-Za-z0-9]/g, "");
}

function groupOf(url: string): string {
  return url.split("/")[2] ?? "";
}
