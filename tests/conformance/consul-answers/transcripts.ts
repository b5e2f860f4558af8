import type { Transcript } from "./step.ts";
import { acl } from "./steps/acl.ts";
import { aclOff } from "./steps/acl-off.ts";
import { agent } from "./steps/agent.ts";
import { catalog } from "./steps/catalog.ts";
import { cluster } from "./steps/cluster.ts";
import { kv } from "./steps/kv.ts";
import { mesh } from "./steps/mesh.ts";

/** The secret that the servers with ACLs are started with. */
export const rootToken = "aaaaaaaa-2222-3333-4444-555555555555";

/** What is asked of a server without ACLs, and of one with them and default policy deny. */
export const transcripts: { readonly open: readonly Transcript[]; readonly closed: readonly Transcript[] } = {
  open: [catalog, agent, kv, cluster, mesh, aclOff],
  closed: [acl],
};

export const closedConfig = {
  acl: {
    enabled: true,
    default_policy: "deny",
    tokens: { initial_management: rootToken, agent: rootToken },
  },
};

/** The same on both sides: answers have it in many places. */
export const nodeName = "node1";
