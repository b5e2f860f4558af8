import type { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Clock } from "../base/clock.ts";
import { describePortHolder } from "../base/port-holder.ts";
import { formatHostPort, type HostPort } from "../contract/address.ts";
import { AtollError } from "../contract/error-codes.ts";

/** Binds and returns the real port. `purpose`, such as "for agents", is a part of error messages. Rejects with `ADDRESS_IN_USE`, or `CONFIG_INVALID` for an address not of this host. */
export function bind(
  server: Server,
  listen: HostPort,
  { credentials, purpose }: { readonly credentials: ServerCredentials; readonly purpose: string },
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(formatHostPort(listen), credentials, (error, port) => {
      if (error === null) {
        resolve(port);
        return;
      }
      const isTaken = /EADDRINUSE|address already in use|in use/i.test(error.message);
      const message = `cannot listen ${purpose} on ${formatHostPort(listen)}`;
      reject(
        isTaken
          ? new AtollError("ADDRESS_IN_USE", `${message}: ${describePortHolder(listen.port)} holds it`, {
              cause: error,
            })
          : new AtollError("CONFIG_INVALID", `${message}: ${error.message}`, { cause: error }),
      );
    });
  });
}

/** Lets calls under way end within `deadlineMs`, then cuts them off. */
export function shutDown(options: {
  readonly server: Server;
  readonly deadlineMs: number;
  readonly clock: Clock;
}): Promise<void> {
  return new Promise((resolve) => {
    const timer = options.clock.after(options.deadlineMs, () => options.server.forceShutdown());
    options.server.tryShutdown(() => {
      timer.cancel();
      resolve();
    });
  });
}
