/** The lease of this node: held for as long as the agent runs. What the servers say of it is logged, counted and acted on. */
import { Gauge } from "prom-client";
import type { MeteredRuntime } from "../lib/base/runtime.ts";
import type { LeaseRequest, ServerLink, Subscription } from "../lib/client/server-link.ts";

export interface LeaseOptions {
  readonly runtime: MeteredRuntime;
  readonly link: Pick<ServerLink, "holdLease">;
  readonly request: LeaseRequest;
  /** The catalog has to be compared with what is registered here. */
  readonly onCompare: () => void;
}

export function holdLease({ runtime, link, request, onCompare }: LeaseOptions): Subscription {
  const logger = runtime.logger.child("lease");
  const held = new Gauge({
    name: "atoll_agent_lease_held",
    help: "1 while the servers have given this node its lease",
    registers: [runtime.metrics],
  });
  let refusal: string | undefined;
  return link.holdLease(request, (answer) => {
    held.set(answer.refusal === "" ? 1 : 0);
    if (answer.refusal !== "" && answer.refusal !== refusal) {
      logger.warn("the servers do not give this node its lease yet", { reason: answer.refusal });
    }
    const isGivenNow = answer.refusal === "" && (refusal ?? "") !== "";
    if (isGivenNow) logger.info("this node holds its lease now");
    refusal = answer.refusal;
    if (isGivenNow || answer.isOutOfDate) onCompare();
  });
}
