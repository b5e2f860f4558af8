import type { FastifyReply, FastifyRequest } from "fastify";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { RouteContext } from "./server-routes.ts";

/** How long Consul's agents keep an answer for which nobody says otherwise. */
const keptMs = 3 * 24 * 60 * 60 * 1_000;

/** `/v1/catalog/datacenters`: one of Consul's two `?cached` answers that heed `Cache-Control`. */
export function registerDatacentersRoute(app: HttpApp, { server, runtime }: RouteContext): void {
  let fetchedAtMs: number | undefined;

  const mark = (request: FastifyRequest, reply: FastifyReply): void => {
    const nowMs = runtime.clock.monotonicMs();
    const ageMs = fetchedAtMs === undefined ? Number.POSITIVE_INFINITY : nowMs - fetchedAtMs;
    const isHit = ageMs <= maxAgeMs(request.headers["cache-control"] ?? "");
    reply.raw.setHeader("X-Cache", isHit ? "HIT" : "MISS");
    if (isHit) reply.raw.setHeader("Age", String(Math.floor(ageMs / 1_000)));
    else fetchedAtMs = nowMs;
  };

  app.get("/v1/catalog/datacenters", async (request, reply) => {
    if (queryOf(request).has("cached")) mark(request, reply);
    return sendJson(reply, [server.datacenter]);
  });
}

/** `must-revalidate` without an age allows none. */
function maxAgeMs(cacheControl: string): number {
  const seconds = /(?:^|[\s,])max-age=(\d{1,9})/.exec(cacheControl)?.[1];
  if (seconds !== undefined) return Number(seconds) * 1_000;
  return cacheControl.includes("must-revalidate") ? -1 : keptMs;
}
