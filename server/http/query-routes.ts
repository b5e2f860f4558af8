import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { type Authorizer, demand } from "../../lib/acl/authorizer.ts";
import type { PreparedQueryFields, PreparedQueryRecord } from "../../lib/contract/prepared-queries.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendEmpty, sendJson } from "../../lib/http/answers.ts";
import { createSight } from "../../lib/acl/sight.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter, parseFlag } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { setFilteredHeader } from "../../lib/http/request-token.ts";
import { meshSight } from "./acl-sight.ts";
import { nodeHeader } from "../../lib/http/relay.ts";
import { healthEntryAnswer } from "./catalog-answers.ts";
import { sortByDistance } from "./distance.ts";
import { proposeOrThrow } from "./propose.ts";
import { refusal } from "./entry-fields.ts";
import { hiddenSecret } from "./acl-answers.ts";
import { decodeQuery, QueryBody, queryAnswer, queryFieldsAnswer } from "./query-body.ts";
import { matchingInstances, shuffled } from "./query-execution.ts";
import { renderQuery } from "./query-template.ts";
import type { RouteContext } from "./server-routes.ts";

const IdPath = Type.Object({ id: Type.String() });

/** `/v1/query`: prepared queries are written, read, explained and executed. */
export function registerQueryRoutes(app: HttpApp, { server, runtime, reads, authorize, nodeName }: RouteContext): void {
  app.post("/v1/query", { schema: { body: QueryBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const tokenAccessor = accessorOf(request.body.Token);
    const query = decodeQuery(request.body, { id: runtime.random.uuid(), tokenAccessor });
    demandOn(request, "write", query);
    await proposeOrThrow({ server, request, command: { type: "query-upsert", query, isNew: true } });
    return sendJson(reply, { ID: query.ID });
  });

  app.put("/v1/query/:id", { schema: { params: IdPath, body: QueryBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const { id } = request.params;
    const existing = server.reader.preparedQuery(id).value;
    const query = decodeQuery(request.body, { id, tokenAccessor: accessorOf(request.body.Token) });
    demandOn(request, "write", query);
    if (existing !== undefined) demandOn(request, "write", existing);
    await proposeOrThrow({ server, request, command: { type: "query-upsert", query, isNew: false } });
    return sendEmpty(reply);
  });

  app.delete("/v1/query/:id", { schema: { params: IdPath } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const { id } = request.params;
    const existing = server.reader.preparedQuery(id).value;
    if (existing !== undefined) demandOn(request, "write", existing);
    await proposeOrThrow({ server, request, command: { type: "query-delete", id } });
    return sendEmpty(reply);
  });

  app.get("/v1/query", async (request, reply) => {
    authorize(request);
    const { read } = await reads.read(request, reply, (reader) => reader.preparedQueries());
    const sight = createSight(authorize(request));
    // Those without a name are told to whoever knows their ID, and listed for who may read all.
    const listed = sight.keep(read.value, ({ Name }, authorizer) => authorizer.allows("query", "read", Name));
    if (sight.isFiltered()) setFilteredHeader(request, reply);
    return sendJson(reply, listed.map(queryAnswer));
  });

  app.get("/v1/query/:id", { schema: { params: IdPath } }, async (request, reply) => {
    const { read } = await reads.read(request, reply, (reader) => reader.preparedQuery(request.params.id));
    if (read.value === undefined) throw notFound();
    demandOn(request, "read", read.value);
    return sendJson(reply, [queryAnswer(read.value)]);
  });

  app.get("/v1/query/:id/explain", { schema: { params: IdPath } }, async (request, reply) => {
    const query = await resolve(request, reply);
    demandOn(request, "read", query);
    return sendJson(reply, {
      Query: { ...queryAnswer(query), ...queryFieldsAnswer(renderQuery(query, request.params.id)) },
    });
  });

  app.get("/v1/query/:id/execute", { schema: { params: IdPath } }, async (request, reply) => {
    authorize(request);
    const query = await resolve(request, reply);
    const authorizer = executorOf(request, query);
    const { Service, DnsTtl } = renderQuery(query, request.params.id);
    const asked = queryOf(request);
    const isConnect = Service.Connect || parseFlag(asked, "connect");
    const { reader } = server;
    const found = isConnect ? reader.connectInstances(Service.Service) : reader.serviceInstances(Service.Service);
    const sight = createSight(authorizer);
    const allowed = meshSight(Service.Service, found.value, sight);
    if (sight.isFiltered()) setFilteredHeader(request, reply);
    const instances = sortByDistance(shuffled(matchingInstances(allowed, Service), runtime.random), {
      near: originOf(request, asked.get("near") || Service.Near),
      nodeOf: ({ Node }) => Node.Node,
      coordinates: reader.coordinates().value,
    });
    return sendJson(reply, {
      Service: Service.Service,
      Nodes: instances.slice(0, limitOf(asked)).map(healthEntryAnswer),
      DNS: { TTL: DnsTtl },
      Datacenter: server.datacenter,
      Failovers: 0,
    });
  });

  /** Of the token that a query brings; of a secret the query keeps only whose it is. */
  function accessorOf(secret = ""): string | undefined {
    if (secret === "") return undefined;
    // To keep the one that is there would lend it to whoever may change the question.
    if (secret === hiddenSecret) {
      throw refusal(
        `Bad Token '${hiddenSecret}', it looks like a query definition with a redacted token was submitted`,
      );
    }
    const token = server.acl?.resolveToken(secret).token;
    if (token === undefined)
      throw refusal("Token can be given where ACLs are enabled: without them a query may do everything");
    return token.AccessorID;
  }

  function executorOf(request: FastifyRequest, { TokenAccessor }: PreparedQueryFields): Authorizer {
    if (TokenAccessor === undefined || server.acl === undefined) return authorize(request);
    return server.acl.resolveAccessor(TokenAccessor);
  }

  /** The node that instances shall be near to: by its name, `_agent` for that of the agent, `_ip` for who has the address. */
  function originOf(request: FastifyRequest, near: string): string {
    if (near === "_agent") return String(request.headers[nodeHeader] ?? nodeName ?? "");
    if (near !== "_ip") return near;
    // DNS says there whom it asks for.
    const address = String(request.headers["x-forwarded-for"] ?? request.ip);
    return server.reader.addressHolders().get(address)?.node?.Node ?? "";
  }

  async function resolve(
    request: FastifyRequest<{ Params: { id: string } }>,
    reply: FastifyReply,
  ): Promise<PreparedQueryRecord> {
    const { read } = await reads.read(request, reply, (reader) => reader.preparedQueryFor(request.params.id));
    if (read.value === undefined) throw notFound();
    return read.value;
  }

  /** A query without a name has no rule of its own: who knows its ID may have it. */
  function demandOn(request: FastifyRequest, access: "read" | "write", query: PreparedQueryFields): void {
    if (query.Name !== "" || query.Template !== undefined) demand(authorize(request), "query", access, query.Name);
  }
}

function notFound(): AtollError {
  return new AtollError("NOT_FOUND", "Query not found");
}

function limitOf(asked: URLSearchParams): number {
  const text = asked.get("limit") ?? "";
  if (text === "" || text === "0") return Number.MAX_SAFE_INTEGER;
  if (!/^\d{1,9}$/.test(text)) throw new AtollError("INVALID_ARGUMENT", `Bad limit: "${text}" is not a number`);
  return Number(text);
}
