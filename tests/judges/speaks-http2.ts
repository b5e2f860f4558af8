import { connect, createServer } from "node:net";
import { startProxyPair } from "./proxy-pair.ts";
import { portOf } from "./tls-bridge.ts";

/** Starts like a connection preface (RFC 9113, 3.4) and is none. */
const badPreface = "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n";

/**
 * Whether the proxy takes part in HTTP/2 on such listeners or passes bytes on: a preface that no HTTP/2 server would take
 * either reaches the app behind the pair, or is answered by the proxy.
 */
export async function speaksHttp2(protocol: "http2" | "grpc"): Promise<boolean> {
  const verdict = Promise.withResolvers<boolean>();
  const app = createServer((socket) => {
    socket.once("data", () => verdict.resolve(false));
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  const pair = await startProxyPair(protocol, portOf(app.address()));
  const client = connect(pair.listen, "127.0.0.1", () => client.write(badPreface));
  client.on("data", () => verdict.resolve(true));
  client.on("error", () => verdict.resolve(true));
  client.on("close", () => verdict.resolve(true));
  try {
    return await verdict.promise;
  } finally {
    client.destroy();
    await pair.stop();
    app.close();
  }
}
