import { readFileSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { connect } from "node:tls";

/** A port that takes plain TCP and speaks mutual TLS 1.3 to another, for judges that cannot show a client certificate. */
export interface TlsBridge {
  readonly port: number;
  stop(): Promise<void>;
}

export interface TlsBridgeOptions {
  readonly to: number;
  /** The certificate that it shows, and the roots that it trusts. */
  readonly files: { readonly certFile: string; readonly keyFile: string; readonly caFile: string };
  readonly serverName: string;
  readonly alpn: string;
}

export async function startTlsBridge(options: TlsBridgeOptions): Promise<TlsBridge> {
  const identity = {
    cert: readFileSync(options.files.certFile),
    key: readFileSync(options.files.keyFile),
    ca: readFileSync(options.files.caFile),
  };
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (plain) => {
    const tls = connect({
      ...identity,
      port: options.to,
      host: "127.0.0.1",
      servername: options.serverName,
      ALPNProtocols: [options.alpn],
      minVersion: "TLSv1.3",
    });
    for (const [from, to] of [
      [plain, tls],
      [tls, plain],
    ] as const) {
      open.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        open.delete(from);
        to.end();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: portOf(server.address()),
    stop: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

export function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("not listening on a port");
  return address.port;
}
