import type { Clock } from "../../lib/base/clock.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { serverNodeName } from "../../lib/contract/spiffe.ts";
import type { Authority } from "../ca/authority.ts";
import { createCallerCheck, type TlsPeer } from "./caller.ts";

/** A server of the cluster on the other end of a call. */
export interface ServerCaller {
  readonly notAfterMs: number;
  /** Whether its certificate was issued to this node. */
  isNode(nodeId: string): boolean;
}

/** The function made throws `PERMISSION_DENIED` for everybody but a server of the cluster. */
export function createServerCheck(options: {
  readonly authority: Pick<Authority, "rootsPem" | "trustDomain" | "datacenter">;
  readonly clock: Clock;
}): (peer: TlsPeer) => ServerCaller {
  const { trustDomain, datacenter } = options.authority;
  const check = createCallerCheck(options);
  return (peer) => {
    const caller = check(peer);
    if (!caller.ok) throw new AtollError("PERMISSION_DENIED", caller.message);
    if (caller.identity.kind !== "server") {
      throw new AtollError("PERMISSION_DENIED", "only servers of the cluster may ask this");
    }
    return {
      notAfterMs: caller.notAfterMs,
      isNode: (nodeId) => caller.names.includes(serverNodeName({ nodeId, datacenter, trustDomain })),
    };
  };
}
