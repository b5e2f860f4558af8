import { sendJson } from "../../lib/http/answers.ts";
import { caRootsAnswer } from "../../lib/http/ca-roots-answer.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { parseFlag } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { RouteContext } from "./server-routes.ts";

/** `/v1/connect/ca/roots`: the certificates that mesh peers trust, as JSON or (`?pem`) as a certificate chain. */
export function registerCaRoutes(app: HttpApp, { reads }: RouteContext): void {
  app.get("/v1/connect/ca/roots", async (request, reply) => {
    const isPem = parseFlag(queryOf(request), "pem");
    const { read } = await reads.read(request, reply, (reader) => reader.caRoots());
    if (!isPem) return sendJson(reply, caRootsAnswer(read.value));
    const chain = read.value.roots.map((root) => `${root.certPem.trimEnd()}\n`).join("");
    return reply.header("content-type", "application/pem-certificate-chain").send(Buffer.from(chain));
  });
}
