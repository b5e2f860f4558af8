import type { HostPort } from "../contract/address.ts";
import { formatHostPort } from "../contract/address.ts";
import { describePortHolder } from "../base/port-holder.ts";
import { errorMessage, systemErrorCode } from "../base/errors.ts";
import { AtollError } from "../contract/error-codes.ts";
import type { HttpApp } from "./http-app.ts";

/**
 * Opens the app's listener and resolves with the address it got (port 0 asks the system for a free one). Rejects with
 * `ADDRESS_IN_USE`, naming the address and who holds it, or with `CONFIG_INVALID` for an address this machine has not.
 */
export async function listenHttp(app: HttpApp, address: HostPort): Promise<HostPort> {
  try {
    await app.listen({ host: address.host, port: address.port });
  } catch (thrown) {
    throw listenError(address, thrown, "HTTP");
  }
  const bound = app.server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
  return { host: address.host, port };
}

const portFlags = { HTTP: "-http-port", HTTPS: "-https-port", "gRPC over TLS": "-grpc-tls-port" } as const;

export function listenError(address: HostPort, cause: unknown, scheme: keyof typeof portFlags): AtollError {
  const where = formatHostPort(address);
  const code = systemErrorCode(cause);
  if (code === "EADDRINUSE") {
    const message = `${scheme} address ${where} is in use by ${describePortHolder(address.port)}; stop it or choose another ${portFlags[scheme]}`;
    return new AtollError("ADDRESS_IN_USE", message, { cause });
  }
  if (code === "EACCES") {
    return new AtollError("CONFIG_INVALID", `${scheme} address ${where} needs privileges: choose a port above 1023`, {
      cause,
    });
  }
  return new AtollError("CONFIG_INVALID", `cannot listen on ${scheme} address ${where}: ${errorMessage(cause)}`, {
    cause,
  });
}
