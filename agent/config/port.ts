import { AtollError } from "../../lib/contract/error-codes.ts";

/** In place of a port: nobody listens. */
export const noPort = -1;

/** `port` when it is 0 (for any that is free) to 65,535, or, where nobody has to listen, -1. Throws an `AtollError` (`CONFIG_INVALID`). */
export function mustBePort(name: string, port: number, min: 0 | typeof noPort = 0): number {
  if (Number.isInteger(port) && port >= min && port <= 65_535) return port;
  const orNone = min === noPort ? ", or -1 for none" : "";
  throw new AtollError("CONFIG_INVALID", `${name} must be 0 to 65535${orNone}, found ${port}`);
}
