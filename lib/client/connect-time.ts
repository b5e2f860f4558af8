/** How far away a server is: how long its machine takes to accept a connection. */
import { connect } from "node:net";
import type { Clock } from "../base/clock.ts";
import { parseHostPort } from "../contract/address.ts";

/** Farther away than that nobody is. */
const timeoutMs = 10_000;

/**
 * Seconds of one round trip to `address`, `host:port`: those of TCP's handshake, which the other machine answers without
 * waiting for any program, so that neither queues nor disks of a busy server are in it. The connection is closed unused.
 * Undefined when there is none.
 */
export function measureConnect(address: string, clock: Clock, signal: AbortSignal): Promise<number | undefined> {
  const target = parseHostPort(address);
  if (target === undefined || signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const beganMs = clock.monotonicMs();
    const socket = connect(target.port, target.host);
    const finish = (seconds: number | undefined): void => {
      timer.cancel();
      signal.removeEventListener("abort", abort);
      socket.destroy();
      resolve(seconds);
    };
    const abort = (): void => finish(undefined);
    const timer = clock.after(timeoutMs, abort);
    signal.addEventListener("abort", abort, { once: true });
    socket.once("connect", () => finish((clock.monotonicMs() - beganMs) / 1_000));
    socket.on("error", abort);
  });
}
