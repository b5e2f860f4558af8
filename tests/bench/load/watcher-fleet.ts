/**
 * A process that holds many blocking queries, one a connection. Lines on stdin say what to do, one JSON line on stdout what
 * came of it: `{"open":N,"paths":[...]}` sends one request on each of N new connections, `{"await":N}` waits until N answers have
 * come in full and tells when the last did (Unix ms), `{"reset":true}` forgets the answers and closes the connections.
 */
import { createInterface } from "node:readline";

const port = Number(process.argv[2]);

interface Watcher {
  received: number;
  expected: number;
  head: string;
  /** The last bytes, of an answer in chunks: it has no length. */
  tail: string | undefined;
}

const lastChunk = "\r\n0\r\n\r\n";

type WatcherSocket = Awaited<ReturnType<typeof Bun.connect<Watcher>>>;
let sockets: WatcherSocket[] = [];
let answered = 0;
let lastAtMs = 0;
let statuses: Record<string, number> = {};
let wanted = Number.POSITIVE_INFINITY;
let onAll: () => void = () => undefined;

const decoder = new TextDecoder("latin1");

function onData(socket: WatcherSocket, data: Uint8Array): void {
  const watcher = socket.data;
  if (watcher.expected === 0) {
    watcher.head += decoder.decode(data.length > 2_048 ? data.subarray(0, 2_048) : data);
    const end = watcher.head.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(watcher.head)?.[1] ?? 0);
    const status = watcher.head.slice(9, 12);
    statuses[status] = (statuses[status] ?? 0) + 1;
    watcher.expected = end + 4 + length;
    if (/transfer-encoding: chunked/i.test(watcher.head.slice(0, end))) watcher.tail = "";
  }
  watcher.received += data.length;
  if (watcher.tail !== undefined) {
    watcher.tail = (watcher.tail + decoder.decode(data.subarray(-lastChunk.length))).slice(-lastChunk.length);
    if (watcher.tail !== lastChunk) return;
  } else if (watcher.received < watcher.expected) return;
  answered++;
  lastAtMs = performance.timeOrigin + performance.now();
  if (answered >= wanted) onAll();
}

async function open(count: number, paths: readonly string[]): Promise<void> {
  const batch = 200;
  for (let from = 0; from < count; from += batch) {
    const opened = await Promise.all(
      Array.from({ length: Math.min(batch, count - from) }, (_, n) =>
        Bun.connect<Watcher>({
          hostname: "127.0.0.1",
          port,
          data: { received: 0, expected: 0, head: "", tail: undefined },
          socket: {
            open(socket) {
              socket.write(`GET ${paths[(from + n) % paths.length] ?? ""} HTTP/1.1\r\nHost: bench\r\n\r\n`);
            },
            data: onData,
          },
        }),
      ),
    );
    sockets.push(...opened);
  }
}

function allAnswered(count: number): Promise<void> {
  return new Promise((resolve) => {
    wanted = count;
    onAll = resolve;
    if (answered >= count) resolve();
  });
}

function reset(): void {
  for (const socket of sockets) socket.end();
  sockets = [];
  answered = 0;
  statuses = {};
  wanted = Number.POSITIVE_INFINITY;
}

for await (const line of createInterface({ input: process.stdin })) {
  const order: { open?: number; paths?: string[]; await?: number; reset?: boolean } = JSON.parse(line);
  if (order.open !== undefined) await open(order.open, order.paths ?? []);
  if (order.await !== undefined) await allAnswered(order.await);
  console.log(JSON.stringify({ answered, lastAtMs, statuses }));
  if (order.reset === true) reset();
}
process.exit();
