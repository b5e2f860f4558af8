import type { Timer } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import type { Runtime } from "../base/runtime.ts";
import { parseHostPort } from "../contract/address.ts";
import type { Caller } from "./leader-calls.ts";
import { rpcMethods } from "./rpc-methods.ts";
import type { ServerConnections } from "./server-connections.ts";

const firstLookMs = 5_000;
const intervalMs = 30_000;
const timeoutMs = 10_000;

/**
 * Asks now and then which servers there are, so that an agent finds them when all that it was configured with have been
 * replaced, one by one.
 */
export function watchServers(options: {
  readonly connections: ServerConnections;
  readonly calls: Caller;
  readonly runtime: Runtime;
}): { close(): void } {
  const { connections, calls, runtime } = options;
  const stopping = new AbortController();
  let timer: Timer;

  const look = async (): Promise<void> => {
    const request = { method: "GET", url: "/v1/status/peers", headers: {}, body: new Uint8Array() };
    const limits = { isWrite: false, isRepeatable: true, timeoutMs, signal: stopping.signal };
    const { status, body } = await calls(rpcMethods.Forward, request, limits);
    const addresses = status === 200 ? readAddresses(Buffer.from(body).toString("utf8")) : [];
    if (addresses.length > 0 && !stopping.signal.aborted) connections.learn(addresses);
  };
  const arm = (delayMs: number): void => {
    timer = runtime.clock.after(delayMs, () => {
      void look()
        // The next look will tell; whoever needs a server hears of the failure himself.
        .catch((thrown: unknown) => runtime.logger.debug("cannot list the servers", { error: errorMessage(thrown) }))
        .then(() => {
          if (!stopping.signal.aborted) arm(intervalMs);
        });
    });
  };
  arm(firstLookMs);
  return {
    close() {
      stopping.abort();
      timer.cancel();
    },
  };
}

/** Nothing for anything but a list of addresses that can be dialled. */
export function readAddresses(json: string): readonly string[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return [];
  }
  if (!Array.isArray(value)) return [];
  return value.filter((one): one is string => typeof one === "string" && (parseHostPort(one)?.port ?? 0) > 0);
}
