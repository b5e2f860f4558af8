import type { WorkerChannel } from "../proxy/workers/run-worker.ts";
import { AtollError } from "../lib/contract/error-codes.ts";

/** The channel that a process is born with when its parent asked for one. */
export function processChannel(): WorkerChannel {
  const send = process.send?.bind(process);
  if (send === undefined)
    throw new AtollError("INVALID_ARGUMENT", "-worker is for processes that a proxy starts itself");
  return {
    // What cannot be sent has nobody to read it: the disconnect says so.
    send: (message) => void send(message, undefined, {}, () => undefined),
    onMessage: (listener) => void process.on("message", listener),
    onDisconnect: (listener) => void process.once("disconnect", listener),
    close: () => {
      if (process.connected) process.disconnect?.();
    },
  };
}
