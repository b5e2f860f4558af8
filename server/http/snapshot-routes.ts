import { demand } from "../../lib/acl/authorizer.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { requestSignal } from "../../lib/http/open-requests.ts";
import { setReadHeaders } from "../../lib/http/read-headers.ts";
import { checkDatacenter, parseConsistency } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import { rawBody } from "../../lib/http/relay.ts";
import { rfc3339 } from "../../lib/x509/certificate.ts";
import { archiveFormatVersion, readArchive, writeArchive } from "../snapshot/archive.ts";
import { restoreThroughLog } from "../snapshot/restore.ts";
import { rowTables } from "../state/row-change.ts";
import type { RowChange } from "../state/row-change.ts";
import { requestIdOf } from "./request-id.ts";
import type { RouteContext } from "./server-routes.ts";

/** A snapshot of a million instances is some 100 MB; it is held in memory until it is verified. */
const maxSnapshotBytes = 1024 * 1024 * 1024;

/**
 * `/v1/snapshot`: the whole state as one file, and back. Saving reads the state at one index while writes go on. The file
 * holds the authority's private key, as Consul's does: whoever can read it can speak for every service.
 */
export function registerSnapshotRoutes(app: HttpApp, { server, runtime, authorize }: RouteContext): void {
  const { operator, log } = server;

  app.get("/v1/snapshot", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    const { mode } = parseConsistency(queryOf(request));
    if (mode !== "stale") await log.readIndex(requestSignal(reply));
    const snapshot = await operator.openSnapshot();
    const { leaderAddress, lastContactMs } = log.leadership();
    const isLeaderKnown = leaderAddress !== "";
    const consistency = mode === "stale" ? "stale" : "leader";
    setReadHeaders(reply, { index: server.reader.appliedIndex(), isLeaderKnown, lastContactMs, consistency });
    const file = writeArchive({
      meta: {
        formatVersion: archiveFormatVersion,
        index: snapshot.index,
        term: snapshot.term,
        clusterId: snapshot.clusterId,
        datacenter: server.datacenter,
        createdAt: rfc3339(runtime.clock.nowMs()),
      },
      rows: stateRows(snapshot.rows()),
    });
    // Closed however the file ends: read to its end, or left by a client that went away.
    file.once("close", () => void snapshot.close());
    return reply.header("content-type", "application/x-gzip").send(file);
  });

  app.put("/v1/snapshot", { bodyLimit: maxSnapshotBytes }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    const body = rawBody(request);
    if (body.length === 0) throw new AtollError("INVALID_ARGUMENT", "the body must be a snapshot, and is empty");
    const { meta, rows } = await readArchive(body);
    runtime.logger.warn("restoring a snapshot", {
      clusterId: meta.clusterId,
      savedIndex: meta.index,
      createdAt: meta.createdAt,
      rows: rows.length,
    });
    const { index } = await restoreThroughLog({ log, rows, restoreId: requestIdOf(request) });
    runtime.logger.warn("a snapshot was restored", { index, rows: rows.length });
    return sendJson(reply, { Index: index, Rows: rows.length, SavedIndex: meta.index, ClusterID: meta.clusterId });
  });
}

/** An engine's own rows (members, request ids) belong to this cluster and not to what is saved. */
async function* stateRows(rows: AsyncIterable<RowChange>): AsyncIterable<RowChange> {
  for await (const row of rows) {
    if (row.table !== "restore-staging" && rowTables.some((table) => table === row.table)) yield row;
  }
}
