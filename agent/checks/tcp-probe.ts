import { connect } from "node:net";
import { errorMessage } from "../../lib/base/errors.ts";
import { parseHostPort } from "../../lib/contract/address.ts";
import { type ProbeLimits, type ProbeResult, capOutput } from "./probe-result.ts";

/** Passing when a connection to `address` can be opened; it is closed at once. */
export function probeTcp(address: string, limits: ProbeLimits): Promise<ProbeResult> {
  const target = parseHostPort(address);
  if (target === undefined) return Promise.resolve({ status: "critical", output: `${address} is not host:port` });
  return new Promise((resolve) => {
    const socket = connect({ host: target.host, port: target.port });
    const finish = (result: ProbeResult): void => {
      limits.signal.removeEventListener("abort", onAbort);
      socket.destroy();
      resolve({ ...result, output: capOutput(result.output, limits.outputMaxBytes) });
    };
    const onAbort = (): void => finish({ status: "critical", output: `TCP connect ${address}: timed out` });
    // A socket can fail again while it is being destroyed, so the listener stays.
    socket.on("error", (error) =>
      finish({ status: "critical", output: `TCP connect ${address}: ${errorMessage(error)}` }),
    );
    socket.once("connect", () => finish({ status: "passing", output: `TCP connect ${address}: Success` }));
    limits.signal.addEventListener("abort", onAbort, { once: true });
    if (limits.signal.aborted) onAbort();
  });
}
