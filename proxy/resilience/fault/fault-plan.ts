import type { FaultConfig } from "../../../lib/contract/proxy-fault.ts";
import { refusal, type Refusal } from "../../exchange/local-reply.ts";
import { httpStatusOfGrpc } from "../../message/grpc.ts";
import type { RequestHead } from "../../message/request-head.ts";
import { isDrawn } from "../stage-context.ts";

/**
 * What is done to one request: what the configuration says, or the request itself in Envoy's fields where it may. Shares are drawn apart
 * from each other, as Envoy's. Pure: the random is handed in.
 */
export class FaultPlan {
  readonly #config: FaultConfig;
  readonly #abort: Refusal | undefined;

  constructor(config: FaultConfig) {
    this.#config = config;
    const { httpStatus, grpcStatus } = config.abort ?? {};
    this.#abort = httpStatus === undefined && grpcStatus === undefined ? undefined : abortReply(httpStatus, grpcStatus);
  }

  /** 0 for no delay. */
  delayMs({ block }: RequestHead, random: () => number): number {
    const { delay, headerControl } = this.#config;
    const maxMs = headerControl?.maxDelayMs ?? 0;
    const asked = maxMs > 0 ? numberIn(block.get(fields.delay)) : -1;
    if (asked >= 0) {
      return isDrawn(this.#askedPercent(block.get(fields.delayPercent)), random) ? Math.min(asked, maxMs) : 0;
    }
    return delay !== undefined && isDrawn(delay.percent, random) ? delay.fixedDelayMs : 0;
  }

  abort({ block }: RequestHead, random: () => number): Refusal | undefined {
    const { abort, headerControl } = this.#config;
    if (headerControl?.allowsAbort === true) {
      const reply = askedReply(numberIn(block.get(fields.abort)), numberIn(block.get(fields.abortGrpc)));
      if (reply !== undefined) {
        return isDrawn(this.#askedPercent(block.get(fields.abortPercent)), random) ? reply : undefined;
      }
    }
    return abort !== undefined && isDrawn(abort.percent, random) ? this.#abort : undefined;
  }

  /** KiB per second; 0 for no limit. */
  limitKbps({ block }: RequestHead, random: () => number): number {
    const { bandwidth, headerControl } = this.#config;
    const minKbps = headerControl?.minLimitKbps ?? 0;
    const asked = minKbps > 0 ? numberIn(block.get(fields.throughput)) : -1;
    if (asked > 0) {
      return isDrawn(this.#askedPercent(block.get(fields.throughputPercent)), random) ? Math.max(asked, minKbps) : 0;
    }
    return bandwidth !== undefined && isDrawn(bandwidth.percent, random) ? bandwidth.limitKbps : 0;
  }

  #askedPercent(value: string | undefined): number {
    const { maxPercent } = this.#config.headerControl ?? { maxPercent: 0 };
    const asked = numberIn(value);
    return asked < 0 ? maxPercent : Math.min(asked, maxPercent);
  }
}

/** Envoy's. */
const fields = {
  delay: "x-envoy-fault-delay-request",
  delayPercent: "x-envoy-fault-delay-request-percentage",
  abort: "x-envoy-fault-abort-request",
  abortGrpc: "x-envoy-fault-abort-grpc-request",
  abortPercent: "x-envoy-fault-abort-request-percentage",
  throughput: "x-envoy-fault-throughput-response",
  throughputPercent: "x-envoy-fault-throughput-response-percentage",
} as const;

/** -1 for what is no whole number. */
function numberIn(value: string | undefined): number {
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : -1;
}

function askedReply(httpStatus: number, grpcStatus: number): Refusal | undefined {
  if (httpStatus >= 200 && httpStatus <= 599) return abortReply(httpStatus, undefined);
  return grpcStatus >= 1 && grpcStatus <= 16 ? abortReply(undefined, grpcStatus) : undefined;
}

function abortReply(httpStatus: number | undefined, grpcStatus: number | undefined): Refusal {
  const status = httpStatus ?? httpStatusOfGrpc(`${grpcStatus}`);
  const reply = refusal(status, "fault filter abort", "fault_injected");
  // Neither has a body (RFC 9110 sections 15.3.5 and 15.4.5).
  const bodied = status === 204 || status === 205 || status === 304 ? { ...reply, body: "" } : reply;
  return grpcStatus === undefined ? bodied : { ...bodied, grpcStatus };
}
