import { Type } from "typebox";
import { demand } from "../../lib/acl/authorizer.ts";
import { parseRules } from "../../lib/acl/parse-rules.ts";
import type { AclPolicyFields, AclPolicyRecord } from "../../lib/contract/acl.ts";
import { sendJson } from "../../lib/http/answers.ts";
import type { HttpApp } from "../../lib/http/http-app.ts";
import { checkDatacenter } from "../../lib/http/read-query.ts";
import type { AclRecords } from "../state/acl-reads.ts";
import { policyAnswer, policyStubAnswer } from "./acl-answers.ts";
import { aclMissing, invalid } from "./acl-bodies.ts";
import type { AclRouteContext } from "./acl-routes.ts";
import { proposeOrThrow } from "./propose.ts";

const IdPath = Type.Object({ id: Type.String() });
const NamePath = Type.Object({ "*": Type.String() });
const PolicyBody = Type.Object({
  ID: Type.Optional(Type.String()),
  Name: Type.Optional(Type.String()),
  Description: Type.Optional(Type.String()),
  Rules: Type.Optional(Type.String()),
  Datacenters: Type.Optional(Type.Array(Type.String())),
});

/** `/v1/acl/polic(y|ies)`: named sets of rules. */
export function registerAclPolicyRoutes(app: HttpApp, { server, reads, authorize, runtime }: AclRouteContext): void {
  const records = () => server.reader.aclRecords();

  app.get("/v1/acl/policies", (request, reply) =>
    reads.answer(request, reply, {
      requires: (authorizer) => demand(authorizer, "acl", "read"),
      query: (reader) => reader.aclPolicies(),
      body: (policies) => policies.map(policyStubAnswer),
    }),
  );

  const read = (find: (records: AclRecords) => AclPolicyRecord | undefined) => ({
    requires: (authorizer: ReturnType<typeof authorize>) => demand(authorizer, "acl", "read"),
    query: (reader: typeof server.reader) => reader.aclRecord(find),
    body({ found }: { readonly found: AclPolicyRecord | undefined }) {
      if (found === undefined) throw aclMissing("policy");
      return policyAnswer(found);
    },
  });
  app.get("/v1/acl/policy/:id", { schema: { params: IdPath } }, (request, reply) =>
    reads.answer(
      request,
      reply,
      read(({ policies }) => policies.get(request.params.id)),
    ),
  );
  // A name may hold a slash.
  app.get("/v1/acl/policy/name/*", { schema: { params: NamePath } }, (request, reply) =>
    reads.answer(
      request,
      reply,
      read(({ policies }) => policies.byName(request.params["*"])),
    ),
  );

  app.put("/v1/acl/policy", { schema: { body: PolicyBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    const { ID = "", ...body } = request.body;
    if (ID !== "") throw invalid("Cannot specify the ID when creating a new policy");
    const policy = policyOf({ ...body, ID: runtime.random.uuid() }, undefined);
    await proposeOrThrow({ server, request, command: { type: "acl-policy-upsert", policy, isNew: true } });
    return sendJson(reply, answered(records().policies.byName(policy.Name)));
  });

  app.put("/v1/acl/policy/:id", { schema: { params: IdPath, body: PolicyBody } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    const { id } = request.params;
    const { ID = "", ...body } = request.body;
    if (ID !== "" && ID !== id) throw invalid("Policy ID in URL and payload do not match");
    const existing = records().policies.get(id);
    if (existing === undefined) throw aclMissing("policy");
    const policy = policyOf({ ...body, ID: id }, existing);
    await proposeOrThrow({ server, request, command: { type: "acl-policy-upsert", policy, isNew: false } });
    return sendJson(reply, answered(records().policies.get(id)));
  });

  app.delete("/v1/acl/policy/:id", { schema: { params: IdPath } }, async (request, reply) => {
    checkDatacenter(request, server.datacenter);
    demand(authorize(request), "acl", "write");
    await proposeOrThrow({ server, request, command: { type: "acl-policy-delete", id: request.params.id } });
    return sendJson(reply, true);
  });
}

/** It may be gone again: somebody else deletes too. */
function answered(policy: AclPolicyRecord | undefined): object {
  if (policy === undefined) throw aclMissing("policy");
  return policyAnswer(policy);
}

function policyOf(
  body: {
    readonly ID: string;
    readonly Name?: string;
    readonly Description?: string;
    readonly Rules?: string;
    readonly Datacenters?: readonly string[];
  },
  existing: AclPolicyRecord | undefined,
): AclPolicyFields {
  const { ID, Name = "", Description = "", Rules = "", Datacenters = [] } = body;
  if (Name === "") throw invalid("Invalid Policy: no Name is set");
  if (Name !== existing?.Name) checkName(Name);
  const parsed = parseRules(Rules);
  if (!parsed.ok) throw invalid(`Invalid Policy: Rules: ${parsed.message}`);
  return { ID, Name, Description, Rules, Datacenters: [...new Set(Datacenters)] };
}

function checkName(name: string): void {
  if (name.startsWith("builtin/")) {
    throw invalid("Invalid Policy: Names with the prefix 'builtin/' are reserved for system policies");
  }
  if (name.length <= 128 && /^[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_-]+)*$/.test(name)) return;
  throw invalid(
    `Invalid Policy: invalid Name "${name.slice(0, 140)}". Only alphanumeric characters, a '/' and '-' and '_' are allowed, 128 at most`,
  );
}
