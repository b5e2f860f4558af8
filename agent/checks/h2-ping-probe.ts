import { type ClientHttp2Session, connect } from "node:http2";
import { errorMessage } from "../../lib/base/errors.ts";
import { parseHostPort } from "../../lib/contract/address.ts";
import type { ProbeTls } from "../service-definition.ts";
import { type ProbeLimits, type ProbeResult, capOutput } from "./probe-result.ts";
import { tlsOptions } from "./tcp-probe.ts";

/** Passing when an HTTP/2 server answers a PING (RFC 9113, 6.7), over TLS or without. */
export function probeH2Ping(
  { address, tls }: { readonly address: string; readonly tls?: ProbeTls },
  limits: ProbeLimits,
): Promise<ProbeResult> {
  const target = parseHostPort(address);
  if (target === undefined) return Promise.resolve({ status: "critical", output: `${address} is not host:port` });
  return new Promise((resolve) => {
    const session: ClientHttp2Session =
      tls === undefined ? connect(`http://${address}`) : connect(`https://${address}`, tlsOptions(tls, target.host));
    const finish = (result: ProbeResult): void => {
      limits.signal.removeEventListener("abort", onAbort);
      session.destroy();
      resolve({ ...result, output: capOutput(result.output, limits.outputMaxBytes) });
    };
    const fail = (reason: string): void =>
      finish({ status: "critical", output: `HTTP2 ping of ${address}: ${reason}` });
    const onAbort = (): void => fail("no answer in time");
    // A session can fail again while it is being destroyed, so the listener stays.
    session.on("error", (error) => fail(errorMessage(error)));
    session.once("close", () => fail("the connection was closed"));
    session.once("connect", () => {
      session.ping((error) => {
        if (error) fail(errorMessage(error));
        else finish({ status: "passing", output: "HTTP2 ping was successful" });
      });
    });
    limits.signal.addEventListener("abort", onAbort, { once: true });
    if (limits.signal.aborted) onAbort();
  });
}
