import { createSocket, type Socket } from "node:dgram";
import { isIP } from "node:net";
import type { HostPort } from "../../lib/contract/address.ts";
import { listenError } from "./listen-error.ts";

/** Answers one message from `source`, at once or later; undefined for silence. */
export type MessageHandler = (
  message: Uint8Array,
  source: string,
) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

export interface DnsListener {
  readonly address: HostPort;
  close(): Promise<void>;
}

export interface UdpListenerOptions {
  readonly listen: HostPort;
  readonly handle: MessageHandler;
  /** A message was dropped because too many wait for their answers already. */
  readonly onDrop: () => void;
  readonly onError: (error: Error) => void;
  /** Messages whose answers have to be fetched; further ones are dropped, and clients ask again. */
  readonly maxWaiting?: number;
}

const defaultMaxWaiting = 2_048;

/** Rejects with `ADDRESS_IN_USE` or `CONFIG_INVALID`. */
export async function listenUdp(options: UdpListenerOptions): Promise<DnsListener> {
  const { listen, handle, maxWaiting = defaultMaxWaiting } = options;
  const socket = createSocket({ type: isIP(listen.host) === 6 ? "udp6" : "udp4" });
  await bind(socket, listen);
  let waiting = 0;
  const send = (answer: Uint8Array | undefined, port: number, host: string): void => {
    // A client that is gone is nobody's problem.
    if (answer !== undefined) socket.send(answer, port, host, ignore);
  };
  socket.on("error", options.onError);
  socket.on("message", (message, from) => {
    const answer = handle(message, from.address);
    if (!(answer instanceof Promise)) {
      send(answer, from.port, from.address);
      return;
    }
    if (waiting >= maxWaiting) {
      options.onDrop();
      answer.catch(ignore);
      return;
    }
    waiting++;
    answer
      .then((late) => {
        if (!isClosed) send(late, from.port, from.address);
      }, ignore)
      .finally(() => waiting--);
  });
  let isClosed = false;
  return {
    address: { host: listen.host, port: socket.address().port },
    async close() {
      if (isClosed) return;
      isClosed = true;
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
}

function bind(socket: Socket, { host, port }: HostPort): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (thrown: Error): void => reject(listenError("udp", { host, port }, thrown));
    socket.once("error", fail);
    socket.bind(port, host, () => {
      socket.off("error", fail);
      resolve();
    });
  });
}

function ignore(): void {}
