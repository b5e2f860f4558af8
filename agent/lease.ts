/** The lease of this node: held for as long as the agent runs. What the servers say of it is logged, counted and acted on. */
import { Counter, Gauge } from "prom-client";
import type { MeteredRuntime } from "../lib/base/runtime.ts";
import type { OwnCoordinate } from "../lib/client/own-coordinate.ts";
import type { LeaseRequest, ServerLink, Subscription } from "../lib/client/server-link.ts";

export interface LeaseOptions {
  readonly runtime: MeteredRuntime;
  readonly link: Pick<ServerLink, "holdLease">;
  readonly request: LeaseRequest;
  /** Told with the renewals; closed with the lease. Absent: nothing is measured. */
  readonly coordinate?: OwnCoordinate;
  /** The catalog has to be compared with what is registered here. */
  readonly onCompare: () => void;
}

export function holdLease({ runtime, link, request, coordinate, onCompare }: LeaseOptions): Subscription {
  const { clock } = runtime;
  const logger = runtime.logger.child("lease");
  const registers = [runtime.metrics];
  const held = new Gauge({
    name: "atoll_agent_lease_held",
    help: "1 while a server has given this node its lease",
    registers,
  });
  const since = new Gauge({
    name: "atoll_agent_lease_changed_timestamp_seconds",
    help: "Unix time since when the lease is held, or is not",
    registers,
  });
  const downs = new Counter({
    name: "atoll_agent_lease_interruptions_total",
    help: "Times that the stream of the lease ended and another server, or the same, was looked for",
    registers,
  });
  let isHeld = false;
  let refusal = "";
  const set = (nowHeld: boolean): void => {
    if (nowHeld === isHeld) return;
    isHeld = nowHeld;
    held.set(nowHeld ? 1 : 0);
    since.set(clock.nowMs() / 1_000);
  };
  const lease = link.holdLease(request, {
    ...(coordinate !== undefined && { coordinate }),
    onAnswer(answer) {
      set(answer.isGiven);
      if (answer.refusal !== "" && answer.refusal !== refusal) {
        logger.warn("the servers do not give this node its lease yet", { reason: answer.refusal });
      }
      const isGivenAtLast = answer.isGiven && refusal !== "";
      if (isGivenAtLast) logger.info("this node holds its lease now");
      if (answer.isGiven || answer.refusal !== "") refusal = answer.refusal;
      if (isGivenAtLast || answer.isOutOfDate) onCompare();
    },
    onDown(reason) {
      downs.inc();
      if (isHeld) logger.info("the stream of the lease is down", { reason });
      set(false);
    },
  });
  return {
    close() {
      coordinate?.close();
      lease.close();
    },
  };
}
