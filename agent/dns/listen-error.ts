import { errorMessage, systemErrorCode } from "../../lib/base/errors.ts";
import { describePortHolder } from "../../lib/base/port-holder.ts";
import { formatHostPort, type HostPort } from "../../lib/contract/address.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { Transport } from "./answer-size.ts";

/** Why DNS does not listen, and what to do about it. */
export function listenError(transport: Transport, address: HostPort, cause: unknown): AtollError {
  const where = `DNS cannot listen on ${formatHostPort(address)} (${transport.toUpperCase()})`;
  switch (systemErrorCode(cause)) {
    case "EADDRINUSE": {
      const holder = transport === "tcp" ? describePortHolder(address.port) : "another process";
      const message = `${where}: it is in use by ${holder}; stop it, or choose another -dns-port, -1 for none`;
      return new AtollError("ADDRESS_IN_USE", message, { cause });
    }
    case "EACCES":
      return new AtollError("CONFIG_INVALID", `${where}: it needs privileges, choose a port above 1023`, { cause });
    default:
      return new AtollError("CONFIG_INVALID", `${where}: ${errorMessage(cause)}`, { cause });
  }
}
