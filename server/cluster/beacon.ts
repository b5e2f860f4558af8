/**
 * How servers without a cluster find each other: a server that waits for its peers greets every connection to its RPC
 * port with one line of text. A server that runs says nothing first, since TLS begins with the caller.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Clock } from "../../lib/base/clock.ts";
import { errorMessage, systemErrorCode } from "../../lib/base/errors.ts";
import { describePortHolder } from "../../lib/base/port-holder.ts";
import { formatHostPort, type HostPort, parseHostPort } from "../../lib/contract/address.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";

const greeting = "atoll-waiting ";
const maxLineBytes = 4_096;
const connectTimeoutMs = 1_000;
/** A waiting server speaks at once; who is silent for this long is taken for one that runs. */
const silenceMs = 500;

/** What a waiting server says of itself. */
export interface WaitingServer {
  readonly nodeId: string;
  /** As it is advertised: the lowest of all that wait begins the cluster. */
  readonly address: string;
  readonly bootstrapExpect: number;
  readonly datacenter: string;
}

export type Sighting =
  | { readonly kind: "waiting"; readonly server: WaitingServer }
  | { readonly kind: "running" | "unreachable" };

/** Rejects with `ADDRESS_IN_USE` or `CONFIG_INVALID`. */
export function startBeacon(options: {
  readonly listen: HostPort;
  readonly server: WaitingServer;
}): Promise<{ close(): Promise<void> }> {
  const { listen } = options;
  const line = `${greeting}${JSON.stringify(options.server)}\n`;
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.end(line);
  });
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const isTaken = systemErrorCode(error) === "EADDRINUSE";
      const message = `cannot listen for servers on ${formatHostPort(listen)}`;
      reject(
        isTaken
          ? new AtollError("ADDRESS_IN_USE", `${message}: ${describePortHolder(listen.port)} holds it`, {
              cause: error,
            })
          : new AtollError("CONFIG_INVALID", `${message}: ${errorMessage(error)}`, { cause: error }),
      );
    });
    server.listen(listen.port, listen.host, () =>
      resolve({
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            for (const socket of sockets) socket.destroy();
          }),
      }),
    );
  });
}

/** Connects and waits for a greeting. Never rejects. */
export function lookAt(options: { readonly address: string; readonly clock: Clock }): Promise<Sighting> {
  const target = parseHostPort(options.address);
  if (target === undefined) return Promise.resolve({ kind: "unreachable" });
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(target);
    const done = (sighting: Sighting): void => {
      timer.cancel();
      socket.destroy();
      resolve(sighting);
    };
    let timer = options.clock.after(connectTimeoutMs, () => done({ kind: "unreachable" }));
    socket.once("connect", () => {
      timer.cancel();
      timer = options.clock.after(silenceMs, () => done({ kind: "running" }));
    });
    socket.on("data", (bytes) => {
      text += bytes.toString();
      if (!text.includes("\n") && text.length < maxLineBytes) return;
      const server = parseGreeting(text.split("\n")[0] ?? "");
      done(server === undefined ? { kind: "unreachable" } : { kind: "waiting", server });
    });
    socket.on("error", () => done({ kind: "unreachable" }));
    // A server that runs would wait for us to speak: whoever hangs up is something in between, with nobody behind it.
    socket.on("close", () => done({ kind: "unreachable" }));
  });
}

function parseGreeting(line: string): WaitingServer | undefined {
  if (!line.startsWith(greeting)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line.slice(greeting.length));
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { nodeId, address, bootstrapExpect, datacenter }: Partial<Record<keyof WaitingServer, unknown>> = value;
  if (typeof nodeId !== "string" || typeof address !== "string") return undefined;
  if (typeof bootstrapExpect !== "number" || typeof datacenter !== "string") return undefined;
  return { nodeId, address, bootstrapExpect, datacenter };
}
