import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import { errorMessage } from "../../lib/base/errors.ts";
import { parseHostPort } from "../../lib/contract/address.ts";
import { type ProbeLimits, type ProbeResult, capOutput } from "./probe-result.ts";

/** What is sent; servers that know nothing of it say nothing, which is as good as an answer. */
const message = "atoll health check";

/**
 * Sends a datagram. Passing when something comes back and also when nothing does within the time: that is all that UDP can
 * tell. Critical when the host says that nobody listens there.
 */
export function probeUdp({ address }: { readonly address: string }, limits: ProbeLimits): Promise<ProbeResult> {
  const target = parseHostPort(address);
  if (target === undefined) return Promise.resolve({ status: "critical", output: `${address} is not host:port` });
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(target.host) ? "udp6" : "udp4");
    let isDone = false;
    const finish = (result: ProbeResult): void => {
      if (isDone) return;
      isDone = true;
      limits.signal.removeEventListener("abort", onAbort);
      socket.close();
      resolve({ ...result, output: capOutput(result.output, limits.outputMaxBytes) });
    };
    const passing = { status: "passing", output: `UDP connect ${address}: Success` } as const;
    const onAbort = (): void => finish(passing);
    const onError = (error: Error): void =>
      finish({ status: "critical", output: `UDP connect ${address}: ${errorMessage(error)}` });
    socket.on("error", onError);
    socket.once("message", () => finish(passing));
    limits.signal.addEventListener("abort", onAbort, { once: true });
    if (limits.signal.aborted) return onAbort();
    socket.connect(target.port, target.host, (error?: Error) => {
      if (error) return onError(error);
      if (!isDone) socket.send(message, (failed) => failed && onError(failed));
    });
  });
}
