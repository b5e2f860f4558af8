import { demand } from "../../lib/acl/authorizer.ts";
import { globalManagementId } from "../../lib/contract/acl.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendJson } from "../../lib/http/answers.ts";
import { readJsonBody } from "../../lib/http/body-decoder.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { rawBody } from "../../lib/http/relay.ts";
import { tokenAnswer } from "./acl-answers.ts";
import { aclMissing, invalid, isUuid } from "./acl-bodies.ts";
import type { AclRouteContext } from "./acl-routes.ts";
import { newToken } from "./acl-token-body.ts";
import { proposeOrThrow } from "./propose.ts";

/** `/v1/acl/bootstrap`: the first management token, once; and `/v1/acl/replication`, which a single datacenter has none of. */
export function registerAclBootstrapRoutes(app: HttpApp, { server, authorize, acl, runtime }: AclRouteContext): void {
  app.put("/v1/acl/bootstrap", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    const chosen = rawBody(request).length === 0 ? "" : bootstrapSecret(readJsonBody(request.body));
    if (chosen !== "" && !isUuid(chosen)) throw invalid("invalid BootstrapSecret: it must be a UUID");
    const { reader } = server;
    const resetIndex = reader.aclBootstrap() === undefined ? 0 : await acl.takeBootstrapReset();
    const made = newToken(
      { Description: "Bootstrap Token (Global Management)", ...(chosen !== "" && { SecretID: chosen }) },
      { records: reader.aclRecords(), runtime },
    );
    const token = { ...made.token, Policies: [globalManagementId] };
    const isDone = await proposeOrThrow({ server, request, command: { type: "acl-bootstrap", token, resetIndex } });
    if (!isDone) {
      const index = reader.aclBootstrap()?.ModifyIndex ?? 0;
      throw new AtollError(
        "PERMISSION_DENIED",
        `Permission denied: ACL bootstrap no longer allowed (reset index: ${index})`,
      );
    }
    const record = reader.aclRecords().tokens.get(token.AccessorID);
    if (record === undefined) throw aclMissing("token");
    return sendJson(reply, { ID: made.secret, ...tokenAnswer(record, reader.aclRecords(), made.secret) });
  });

  app.get("/v1/acl/replication", async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "read");
    return sendJson(reply, {
      Enabled: false,
      Running: false,
      SourceDatacenter: "",
      ReplicationType: "",
      ReplicatedIndex: 0,
      ReplicatedRoleIndex: 0,
      ReplicatedTokenIndex: 0,
      LastSuccess: "0001-01-01T00:00:00Z",
      LastError: "0001-01-01T00:00:00Z",
      LastErrorMessage: "",
    });
  });
}

function bootstrapSecret(body: unknown): string {
  const fields: Record<string, unknown> = typeof body === "object" && body !== null ? { ...body } : {};
  const secret = fields["BootstrapSecret"] ?? fields["bootstrap_secret"];
  return typeof secret === "string" ? secret : "";
}
