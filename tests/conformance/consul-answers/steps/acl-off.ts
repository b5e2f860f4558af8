import { ask, get, put, remove, type Transcript } from "../step.ts";

export const aclOff: Transcript = {
  name: "ACLs where they are off",
  steps: [
    ...get(
      "/v1/acl/policies",
      "/v1/acl/tokens",
      "/v1/acl/token/self",
      "/v1/acl/roles",
      "/v1/acl/auth-methods",
      "/v1/acl/binding-rules",
      "/v1/acl/policy/x",
      "/v1/acl/policy/name/x",
      "/v1/acl/replication",
      "/v1/acl/nothing",
    ),
    put("/v1/acl/bootstrap"),
    put("/v1/acl/policy", { Name: "x" }),
    put("/v1/acl/token", {}),
    ask("POST /v1/acl/login", { body: { AuthMethod: "x", BearerToken: "y" } }),
    ask("POST /v1/acl/logout"),
    ask("POST /v1/internal/acl/authorize", { body: [{ Resource: "key", Access: "read", Segment: "a" }] }),
    ...remove("/v1/acl/token/x"),
  ],
};
