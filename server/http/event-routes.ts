import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { compileRegex } from "../../lib/base/linear-regex.ts";
import { demand } from "../../lib/acl/authorizer.ts";
import { createSight } from "../../lib/acl/sight.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { maxEventPayloadBytes, type UserEvent } from "../../lib/contract/user-events.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { checkDatacenter, parseReadQuery } from "../../lib/http/read-query.ts";
import { setReadHeaders } from "../../lib/http/read-headers.ts";
import { nodeHeader, rawBody } from "../../lib/http/relay.ts";
import { setFilteredHeader } from "../../lib/http/request-token.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { StateReader } from "../state/reader.ts";
import { proposeOrThrow } from "./propose.ts";
import type { RouteContext } from "./server-routes.ts";

const NamePath = Type.Object({ name: Type.String() });

/** `/v1/event`: what users tell the nodes, in the replicated log where Consul gossips it. */
export function registerEventRoutes(app: HttpApp, context: RouteContext): void {
  const { server, runtime, authorize, nodeName, limits } = context;

  app.put("/v1/event/fire/:name", { schema: { params: NamePath } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const { name } = request.params;
    if (name === "") throw new AtollError("INVALID_ARGUMENT", "Missing name");
    demand(authorize(request), "event", "write", name);
    const payload = Buffer.from(rawBody(request));
    if (payload.length > maxEventPayloadBytes) {
      const message = `user event exceeds configured limit of ${maxEventPayloadBytes} bytes: its payload has ${payload.length}`;
      throw new AtollError("INVALID_ARGUMENT", message, { status: 413 });
    }
    const asked = queryOf(request);
    const event = {
      ID: runtime.random.uuid(),
      Name: name,
      Payload: payload.toString("base64"),
      NodeFilter: filterOf(asked, "node"),
      ServiceFilter: filterOf(asked, "service"),
      TagFilter: filterOf(asked, "tag"),
    };
    if (event.TagFilter !== "" && event.ServiceFilter === "") {
      throw new AtollError("INVALID_ARGUMENT", "Cannot provide tag filter without service filter");
    }
    await proposeOrThrow({ server, request, command: { type: "event-fire", event } });
    return sendJson(reply, eventAnswer({ ...event, LTime: 0 }));
  });

  app.get("/v1/event/list", async (request, reply) => {
    const sight = createSight(authorize(request));
    const asked = queryOf(request);
    const { index: askedIndex, waitMs } = blockingOf(request);
    const wanted = asked.get("name") ?? "";
    const node = String(request.headers[nodeHeader] ?? nodeName ?? "");
    const signal = requestSignal(reply);
    const list = (reader: StateReader): readonly UserEvent[] =>
      sight.keep(
        reader
          .userEvents()
          .value.filter((event) => (wanted === "" || event.Name === wanted) && isFor(event, node, reader)),
        ({ Name }, authorizer) => authorizer.allows("event", "read", Name),
      );
    const deadlineMs = runtime.clock.monotonicMs() + waitMs;
    let events = list(server.reader);
    while (askedIndex !== undefined && eventIndex(events.at(-1)) === askedIndex && !signal.aborted) {
      const leftMs = deadlineMs - runtime.clock.monotonicMs();
      if (leftMs <= 0) break;
      const minIndex = server.reader.userEvents().index;
      await server.blocking.read((reader) => reader.userEvents(), { minIndex, waitMs: leftMs, signal });
      events = list(server.reader);
    }
    if (sight.isFiltered()) setFilteredHeader(request, reply);
    const { leaderAddress, lastContactMs } = server.log.leadership();
    setReadHeaders(reply, { index: 1, isLeaderKnown: leaderAddress !== "", lastContactMs, consistency: "leader" });
    reply.raw.setHeader("X-Consul-Index", String(eventIndex(events.at(-1))));
    return sendJson(reply, events.map(eventAnswer));
  });

  /** The index is a part of an ID and no number that grows: it is compared for being the same. */
  function blockingOf(request: FastifyRequest): { readonly index?: bigint; readonly waitMs: number } {
    const asked = parseReadQuery(request, { datacenter: server.datacenter, random: runtime.random, waits: limits });
    const text = queryOf(request).get("index") ?? "";
    const isWaitGiven = (queryOf(request).get("wait") ?? "") !== "";
    return {
      ...(text !== "" && text !== "0" && { index: BigInt(text) }),
      waitMs: isWaitGiven ? asked.waitMs : limits.maxQueryMs,
    };
  }
}

function filterOf(asked: URLSearchParams, name: string): string {
  const pattern = asked.get(name) ?? "";
  const compiled = pattern === "" ? undefined : compileRegex(pattern);
  if (compiled?.ok === false) throw new AtollError("INVALID_ARGUMENT", `Invalid ${name} filter: ${compiled.message}`);
  return pattern;
}

/** Whether a node is meant; `""` asks for the events of all. */
function isFor(event: UserEvent, node: string, reader: StateReader): boolean {
  if (node === "") return true;
  if (!isFound(event.NodeFilter, node)) return false;
  if (event.ServiceFilter === "") return true;
  return reader
    .nodeServices(node)
    .value.some(
      ({ Service, Tags }) =>
        isFound(event.ServiceFilter, Service) &&
        (event.TagFilter === "" || Tags.some((tag) => isFound(event.TagFilter, tag))),
    );
}

function isFound(pattern: string, text: string): boolean {
  if (pattern === "") return true;
  const compiled = compileRegex(pattern);
  return compiled.ok && compiled.regex.find(text) !== undefined;
}

/** The two halves of an event's ID, exclusively or-ed: what Consul's clients compute from it themselves. */
export function eventIndex(event: Pick<UserEvent, "ID"> | undefined): bigint {
  if (event === undefined) return 1n;
  const hex = event.ID.replaceAll("-", "");
  return BigInt(`0x${hex.slice(0, 16)}`) ^ BigInt(`0x${hex.slice(16)}`);
}

function eventAnswer(event: UserEvent): object {
  const { ID, Name, Payload, NodeFilter, ServiceFilter, TagFilter, LTime } = event;
  return {
    ID,
    Name,
    Payload: Payload === "" ? null : Payload,
    NodeFilter,
    ServiceFilter,
    TagFilter,
    Version: 1,
    LTime,
  };
}
