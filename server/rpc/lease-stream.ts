/** One agent's lease stream: its request, then renewals, each answered. Ended by the server when the agent has fallen silent. */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { Clock, Timer } from "../../lib/base/clock.ts";
import type { LeaseAnswerMessage, LeaseRenewal } from "../../lib/client/rpc-methods.ts";
import { fromWireCoordinate, toWireServerPlace } from "../../lib/client/wire-coordinate.ts";
import { toRpcStatus } from "../../lib/client/rpc-errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { MemberFields } from "../../lib/contract/members.ts";
import type { HeldLease } from "../leases/lease-holder.ts";
import type { LeasePort } from "../leases/leases.ts";

export type AgentLeaseStream = ServerDuplexStream<LeaseRenewal, LeaseAnswerMessage>;

/** An agent that has not asked for its lease by then is none of ours. */
const requestTimeoutMs = 10_000;

export interface LeaseStreamOptions {
  readonly stream: AgentLeaseStream;
  readonly leases: LeasePort;
  /** The name that the agent's certificate proves. */
  readonly node: string;
  readonly clock: Clock;
  readonly onClose: () => void;
}

/** Serves the stream until either side ends it. The value returned ends it from here, with an error for the agent. */
export function serveLease(options: LeaseStreamOptions): { end(error: AtollError): void } {
  const { stream, leases, node, clock } = options;
  let held: HeldLease | undefined;
  let member: MemberFields | undefined;
  let silence: Timer | undefined;
  let heardMs = clock.monotonicMs();
  let isClosed = false;

  const receive = ({ request, turn = 0, coordinate }: LeaseRenewal): void => {
    if (isClosed) return;
    heardMs = clock.monotonicMs();
    if (held === undefined || member === undefined) {
      if (request === null || request === undefined) {
        end(new AtollError("INVALID_ARGUMENT", "the first message of a lease stream has to hold its request"));
        return;
      }
      member = memberOf(request, node);
      watchSilence(2 * member.TtlMs);
      held = leases.open(member, {
        onDecision: (decision) => void stream.write({ ...decision, isOutOfDate: false }),
        onEnd: (reason) => end(new AtollError("UNAVAILABLE", reason)),
      });
      stream.write({ isGiven: false, refusal: "", isOutOfDate: false });
      return;
    }
    const decision = held.renew();
    const isOutOfDate = decision.isGiven && leases.isOutOfDate(member);
    stream.write({ ...decision, isOutOfDate, ...(turn !== 0 && referenceOf(turn)) });
    const place = fromWireCoordinate(coordinate);
    if (place !== undefined) held.place(place);
  };

  /** For an agent that wants to measure. */
  const referenceOf = (turn: number): Partial<LeaseAnswerMessage> => {
    const found = leases.reference(turn);
    return found === undefined ? {} : { reference: toWireServerPlace(found), members: found.members };
  };

  /** A connection can stay open long after its agent has gone: looked at when it would have been too long. */
  const watchSilence = (limitMs: number): void => {
    silence?.cancel();
    const leftMs = heardMs + limitMs - clock.monotonicMs();
    if (leftMs <= 0) end(new AtollError("TIMEOUT", "nothing was heard of the agent for two terms of its lease"));
    else silence = clock.after(leftMs, () => watchSilence(limitMs));
  };

  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    silence?.cancel();
    held?.close();
    options.onClose();
  };

  const end = (error: AtollError): void => {
    if (isClosed) return;
    close();
    // The way of grpc-js to end a stream with a status.
    stream.emit("error", toRpcStatus(error));
  };

  watchSilence(requestTimeoutMs);
  stream.on("data", receive);
  stream.on("cancelled", close);
  stream.on("close", close);
  stream.on("end", () => {
    close();
    stream.end();
  });
  return { end };
}

function memberOf(request: NonNullable<LeaseRenewal["request"]>, node: string): MemberFields {
  return {
    Node: node,
    ID: request.id,
    Address: request.address,
    Port: 0,
    Role: "node",
    Build: request.build,
    Class: request.nodeClass,
    TtlMs: request.ttlMs,
    ReapAfterMs: request.reapAfterMs,
  };
}
