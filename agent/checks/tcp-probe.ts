import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { isIP } from "node:net";
import { errorMessage } from "../../lib/base/errors.ts";
import { type HostPort, parseHostPort } from "../../lib/contract/address.ts";
import type { ProbeTls } from "../service-definition.ts";
import { type ProbeLimits, type ProbeResult, capOutput } from "./probe-result.ts";

/** Passing when a connection to `address` can be opened, with `tls` when a handshake succeeds; it is closed at once. */
export function probeTcp(
  { address, tls }: { readonly address: string; readonly tls?: ProbeTls },
  limits: ProbeLimits,
): Promise<ProbeResult> {
  const target = parseHostPort(address);
  if (target === undefined) return Promise.resolve({ status: "critical", output: `${address} is not host:port` });
  return new Promise((resolve) => {
    const socket = open(target, tls);
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
    socket.once(tls === undefined ? "connect" : "secureConnect", () =>
      finish({ status: "passing", output: `TCP connect ${address}: Success` }),
    );
    limits.signal.addEventListener("abort", onAbort, { once: true });
    if (limits.signal.aborted) onAbort();
  });
}

function open({ host, port }: HostPort, tls: ProbeTls | undefined): Socket {
  return tls === undefined ? connect({ host, port }) : connectTls({ host, port, ...tlsOptions(tls, host) });
}

/** Of a TLS client that verifies whom it reaches, unless it was told not to. An address is no name to ask for. */
export function tlsOptions(
  tls: ProbeTls,
  host: string,
): { readonly rejectUnauthorized: boolean; readonly servername?: string } {
  const name = tls.serverName || (isIP(host) === 0 ? host : "");
  return { rejectUnauthorized: !tls.skipVerify, ...(name !== "" && { servername: name }) };
}
