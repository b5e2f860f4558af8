import type { ClientWritableStream, Metadata } from "@grpc/grpc-js";
import type { Clock } from "../../lib/base/clock.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { agreeOnProtocol, type ProtocolRange, protocolsIn } from "./protocol-range.ts";

/** A server that was reached answers a stream's headers at once. */
const headersTimeoutMs = 2_000;

export interface StreamOptions {
  readonly protocols: ProtocolRange;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * The version to write in, from the headers that the receiver of a stream answers. Rejects with `PROTOCOL_MISMATCH` or
 * `UNAVAILABLE`, the call cancelled; a call that ends before is the caller's to notice.
 */
export function agreedProtocol<Request>(
  call: ClientWritableStream<Request>,
  address: string,
  { protocols, clock, signal }: StreamOptions,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", onAbort);
    };
    const giveUp = (thrown: unknown): void => {
      settle();
      call.cancel();
      reject(thrown);
    };
    const onAbort = (): void => giveUp(new AtollError("UNAVAILABLE", `the call to ${address} was given up`));
    const timer = clock.after(headersTimeoutMs, () =>
      giveUp(new AtollError("UNAVAILABLE", `the server at ${address} does not answer the stream`)),
    );
    call.on("status", settle);
    call.on("metadata", (headers: Metadata) => {
      settle();
      try {
        const called = { name: `the server at ${address}`, protocols: protocolsIn(headers) };
        resolve(agreeOnProtocol({ name: "this server", protocols }, called));
      } catch (thrown) {
        giveUp(thrown);
      }
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}
