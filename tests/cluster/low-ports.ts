import { createServer } from "node:net";

/** Below the range from which Linux takes the ports of outgoing connections, and below the mesh's own defaults. */
const firstPort = 10_500;
const lastPort = 18_500;

/**
 * Ports on which nothing listens and which no outgoing connection can have by chance. With a port of that range a peer that
 * dials a server which is not up yet can reach itself: the kernel picks the dialled port as the source, TCP opens from both
 * ends, and the server then finds its port taken.
 */
export async function findLowPorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; ports.size < count; attempt++) {
    if (attempt > 1_000) throw new Error(`no ${count} free ports between ${firstPort} and ${lastPort}`);
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort));
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}

/** On all addresses at once, since the advertised ones differ. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "0.0.0.0", () => server.close(() => resolve(true)));
  });
}
