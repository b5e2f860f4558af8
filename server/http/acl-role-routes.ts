import { type Static, Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import type { AclRoleFields, AclRoleRecord } from "../../lib/contract/acl.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import { queryOf } from "../../lib/http/request-line.ts";
import type { AclRecords } from "../state/acl-reads.ts";
import { roleAnswer } from "./acl-answers.ts";
import { grantFields, invalid, readGrants } from "./acl-bodies.ts";
import type { AclRouteContext } from "./acl-routes.ts";
import { proposeOrThrow } from "./propose.ts";

const IdPath = Type.Object({ id: Type.String() });
const NamePath = Type.Object({ name: Type.String() });
const RoleBody = Type.Object({
  ID: Type.Optional(Type.String()),
  Name: Type.Optional(Type.String()),
  Description: Type.Optional(Type.String()),
  ...grantFields,
});

/** `/v1/acl/role(s)`: policies and identities under one name, for tokens to share. */
export function registerAclRoleRoutes(app: HttpApp, { server, reads, authorize, runtime }: AclRouteContext): void {
  const records = () => server.reader.aclRecords();

  app.get("/v1/acl/roles", (request, reply) => {
    const policy = queryOf(request).get("policy") ?? "";
    return reads.answer(request, reply, {
      requires: (authorizer) => demand(authorizer, "acl", "read"),
      query: (reader) => reader.aclRoles(),
      body: (roles) =>
        roles
          .filter((role) => policy === "" || role.Policies.includes(policy))
          .map((role) => roleAnswer(role, records())),
    });
  });

  const read = (find: (records: AclRecords) => AclRoleRecord | undefined) => ({
    requires: (authorizer: ReturnType<typeof authorize>) => demand(authorizer, "acl", "read"),
    query: (reader: typeof server.reader) => reader.aclRecord(find),
    body: ({ found }: { readonly found: AclRoleRecord | undefined }) => answered(found, records()),
  });
  app.get("/v1/acl/role/:id", { schema: { params: IdPath } }, (request, reply) =>
    reads.answer(
      request,
      reply,
      read(({ roles }) => roles.get(request.params.id)),
    ),
  );
  app.get("/v1/acl/role/name/:name", { schema: { params: NamePath } }, (request, reply) =>
    reads.answer(
      request,
      reply,
      read(({ roles }) => roles.byName(request.params.name)),
    ),
  );

  app.put("/v1/acl/role", { schema: { body: RoleBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    const { ID = "" } = request.body;
    if (ID !== "") throw invalid("Cannot specify the ID when creating a new role");
    const role = roleOf(request.body, runtime.random.uuid(), records());
    await proposeOrThrow({ server, request, command: { type: "acl-role-upsert", role, isNew: true } });
    return sendJson(reply, answered(records().roles.byName(role.Name), records()));
  });

  app.put("/v1/acl/role/:id", { schema: { params: IdPath, body: RoleBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    const { id } = request.params;
    const { ID = "" } = request.body;
    if (ID !== "" && ID !== id) throw invalid("Role ID in URL and payload do not match");
    if (records().roles.get(id) === undefined) throw roleMissing();
    const role = roleOf(request.body, id, records());
    await proposeOrThrow({ server, request, command: { type: "acl-role-upsert", role, isNew: false } });
    return sendJson(reply, answered(records().roles.get(id), records()));
  });

  app.delete("/v1/acl/role/:id", { schema: { params: IdPath } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    await proposeOrThrow({ server, request, command: { type: "acl-role-delete", id: request.params.id } });
    return sendJson(reply, true);
  });
}

function roleOf(body: Static<typeof RoleBody>, id: string, records: AclRecords): AclRoleFields {
  const { Name = "", Description = "" } = body;
  if (Name === "") throw invalid("Invalid Role: no Name is set");
  if (!/^[A-Za-z0-9_-]{1,256}$/.test(Name)) {
    throw invalid(
      `Invalid Role: invalid Name "${Name.slice(0, 260)}". Only alphanumeric characters, '-' and '_' are allowed, 256 at most`,
    );
  }
  return { ID: id, Name, Description, ...readGrants(body, records) };
}

function answered(role: AclRoleRecord | undefined, records: AclRecords): object {
  if (role === undefined) throw roleMissing();
  return roleAnswer(role, records);
}

/** Unlike a policy's or a token's, this is a plain 404 in Consul. */
function roleMissing(): AtollError {
  return new AtollError("NOT_FOUND", "Requested role does not exist: ACL not found");
}
