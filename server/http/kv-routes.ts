import type { FastifyReply, FastifyRequest } from "fastify";
import { type Authorizer, demand, permissionDenied } from "../../lib/acl/authorizer.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { kvLimitKey } from "../../lib/contract/request-limits.ts";
import { type KvRecord, kvKeyProblem } from "../../lib/contract/kv.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { rawBody } from "../../lib/http/relay.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { kvAnswer } from "./kv-answer.ts";
import { kvExpiry, type KvWriteQuery, parseDeleteQuery, parsePutQuery } from "./kv-query.ts";
import { proposeOrThrow } from "./propose.ts";
import type { RouteContext } from "./server-routes.ts";

/** Consul answers what a lock meets in the state, such as a session that is none, with 500. */
export const stateStatuses = { NOT_FOUND: 500, CONFLICT: 500 } as const;

/** `/v1/kv`: bytes under keys, which may hold slashes and anything else that prints. */
export function registerKvRoutes(app: HttpApp, context: RouteContext): void {
  const get = (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const query = queryOf(request);
    if (query.has("keys")) return answerKeys(context, request, reply);
    if (query.has("recurse")) return answerEntries(context, request, reply);
    return query.has("raw") ? answerRaw(context, request, reply) : answerEntry(context, request, reply);
  };
  const put = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const key = mustKey(request);
    const write = parsePutQuery(queryOf(request));
    demand(context.authorize(request), "key", "write", key);
    return answerWrite(context, { request, reply, key, write });
  };
  const remove = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const write = parseDeleteQuery(queryOf(request));
    const key = write.verb === "delete-tree" ? keyOf(request) : mustKey(request);
    demandRemoval(context.authorize(request), write, key);
    return answerWrite(context, { request, reply, key, write });
  };
  /** On the server that was asked, before the request is sent on: a cleaned URL would name another key. */
  const preValidation = (request: FastifyRequest, _reply: FastifyReply, done: () => void): void => {
    const problem = kvKeyProblem(keyOf(request));
    if (problem !== undefined) throw new AtollError("INVALID_ARGUMENT", problem);
    done();
  };
  app.get("/v1/kv/*", get);
  const bodyLimit = context.limits.kvMaxValueBytes;
  app.put("/v1/kv/*", { preValidation, bodyLimit, config: { bodyLimitKey: kvLimitKey } }, put);
  app.delete("/v1/kv/*", remove);
  // Where Consul redirects to the path with a slash behind it.
  app.get("/v1/kv", get);
}

async function answerWrite(
  { server, runtime }: RouteContext,
  write: {
    readonly request: FastifyRequest;
    readonly reply: FastifyReply;
    readonly key: string;
    readonly write: KvWriteQuery;
  },
): Promise<FastifyReply> {
  const { request, reply, key } = write;
  const { verb } = write.write;
  checkDatacenter(request, server.datacenter);
  const expiry = kvExpiry(queryOf(request).get("ttl") ?? "", runtime.clock.nowMs());
  if (verb === "lock" && (await server.locks.isDelayed(key))) return sendJson(reply, false);
  const value = Buffer.from(request.method === "PUT" ? rawBody(request) : []).toString("base64");
  const operation = { ...write.write, key, value, ...(expiry === undefined ? {} : { expiry }) };
  const command = { type: "kv", operation } as const;
  const isApplied = await proposeOrThrow({ server, request, command, statuses: stateStatuses });
  return sendJson(reply, isApplied);
}

function answerEntry({ reads }: RouteContext, request: FastifyRequest, reply: FastifyReply) {
  const key = mustKey(request);
  return reads.answer(request, reply, {
    requires: (authorizer) => demand(authorizer, "key", "read", key),
    query: (reader) => reader.kvEntry(key),
    body: (record) => [kvAnswer(mustBeThere(record))],
  });
}

async function answerRaw(
  { reads, authorize }: RouteContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const key = mustKey(request);
  demand(authorize(request), "key", "read", key);
  const { read } = await reads.read(request, reply, (reader) => reader.kvEntry(key));
  // The token may have lost the right while the request waited.
  demand(authorize(request), "key", "read", key);
  const { Value } = mustBeThere(read.value);
  reply.raw.setHeader("X-Content-Type-Options", "nosniff");
  reply.raw.setHeader("Content-Security-Policy", "sandbox");
  return reply.header("content-type", "text/plain").send(Buffer.from(Value, "base64"));
}

function answerEntries(context: RouteContext, request: FastifyRequest, reply: FastifyReply) {
  const prefix = keyOf(request);
  return context.reads.answer(request, reply, {
    requires: (authorizer) => demandList(context, authorizer, prefix),
    query: (reader, { minIndex }) => reader.kvEntries(prefix, minIndex),
    body(records, _query, sight) {
      const seen = sight.keep(records, ({ Key }, authorizer) => authorizer.allows("key", "read", Key));
      if (seen.length === 0) throw nothing;
      return seen.map((record) => kvAnswer(record));
    },
  });
}

/** Who may not read everything is shown the groups of what it may. */
function answerKeys(context: RouteContext, request: FastifyRequest, reply: FastifyReply) {
  const { reads, authorize } = context;
  const prefix = keyOf(request);
  const query = queryOf(request);
  const separator = query.get("separator") ?? query.get("seperator") ?? "";
  const isGrouped = authorize(request).isUnrestricted;
  return reads.answer(request, reply, {
    requires: (authorizer) => demandList(context, authorizer, prefix),
    query: (reader, { minIndex }) => reader.kvKeys(prefix, isGrouped ? separator : "", minIndex),
    body(keys, _query, sight) {
      const seen = sight.keep(keys, (key, authorizer) => authorizer.allows("key", "read", key));
      // At the root there is an empty list.
      if (seen.length === 0 && prefix !== "") throw nothing;
      return isGrouped ? seen : groupKeys(seen, prefix, separator);
    },
  });
}

/** Where the configuration says so; what the rules of keys below allow is asked as well. */
function demandList({ server }: RouteContext, authorizer: Authorizer, prefix: string): void {
  if (server.acl?.settings.demandsKeyList === true) demand(authorizer, "key", "list", prefix);
}

function groupKeys(keys: readonly string[], prefix: string, separator: string): readonly string[] {
  if (separator === "") return keys;
  const groups = keys.map((key) => {
    const at = key.indexOf(separator, prefix.length);
    return at === -1 ? key : key.slice(0, at + separator.length);
  });
  return [...new Set(groups)];
}

/** A whole tree needs the right to all that can be in it. */
function demandRemoval(authorizer: Authorizer, { verb }: KvWriteQuery, key: string): void {
  if (verb !== "delete-tree") demand(authorizer, "key", "write", key);
  else if (!authorizer.allowsAll("key", "write", key)) throw permissionDenied(authorizer, "key", "write", key);
}

/** What is not there has no body; it is answered often, so it is made once. */
const nothing = new AtollError("NOT_FOUND", "");

function mustBeThere(record: KvRecord | undefined): KvRecord {
  if (record === undefined) throw nothing;
  return record;
}

function mustKey(request: FastifyRequest): string {
  const key = keyOf(request);
  if (key === "") throw new AtollError("INVALID_ARGUMENT", "Missing key name");
  return key;
}

/** All that follows `/v1/kv/`, its escapes undone, which the edge has seen that they can be. */
function keyOf(request: FastifyRequest): string {
  const [path = ""] = request.url.split("?", 1);
  return decodeURIComponent(path.slice("/v1/kv/".length));
}
