import { aclReference } from "./acl-reference.ts";
import { agentReference } from "./agent-reference.ts";
import { catalogReference } from "./catalog-reference.ts";
import { kvReference } from "./kv-reference.ts";
import { meshReference } from "./mesh-reference.ts";
import { operatorReference } from "./operator-reference.ts";
import type { ApiReference } from "./route-reference.ts";

/** Every route of `/v1`, an agent's and a server's. */
export const apiReference: ApiReference = {
  ...agentReference,
  ...catalogReference,
  ...kvReference,
  ...meshReference,
  ...aclReference,
  ...operatorReference,
};
