import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { HostPort } from "../../lib/contract/address.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { eventually } from "../fakes/eventually.ts";
import { LinkProxies } from "./link-proxies.ts";
import { ownerOfSocket } from "./socket-owner.ts";

/** An echo server behind the proxy for "b", and a connection to it that the proxy takes for one of "a". */
async function openPair(): Promise<{
  readonly links: LinkProxies;
  readonly socket: Socket;
  readonly sent: () => string;
  readonly received: () => string;
  close(): Promise<void>;
}> {
  const [port = 0] = await findFreePorts("127.0.0.1", 1);
  let sent = "";
  const server: Server = createServer((peer) => {
    peer.on("error", () => undefined);
    peer.on("data", (chunk) => {
      sent += chunk.toString();
      peer.write(chunk);
    });
  });
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  const end = { name: "b", advertised: "127.0.0.77", bound: "127.0.0.1", port };
  const links = await LinkProxies.start([end], () => "a");
  const socket = connect(port, end.advertised);
  socket.on("error", () => undefined);
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString();
  });
  await new Promise<void>((done) => socket.once("connect", done));
  const close = async (): Promise<void> => {
    socket.destroy();
    await links.close();
    server.close();
  };
  return { links, socket, sent: () => sent, received: () => received, close };
}

test("a link that is held one way delivers nothing that way until it is healed", async () => {
  const pair = await openPair();
  pair.socket.write("1");
  await eventually("the echo", () => pair.received() === "1");
  pair.links.hold("a", "b");
  pair.socket.write("2");
  await Bun.sleep(50);
  expect(pair.sent()).toBe("1");
  pair.links.heal();
  await eventually("the held byte", () => pair.received() === "12");
  pair.links.hold("b", "a");
  pair.socket.write("3");
  await eventually("the other way being open", () => pair.sent() === "123");
  await Bun.sleep(50);
  expect(pair.received()).toBe("12");
  pair.links.heal();
  await eventually("the held answer", () => pair.received() === "123");
  await pair.close();
});

test("a delayed link keeps the order of its bytes", async () => {
  const pair = await openPair();
  pair.links.delay(30);
  const startMs = performance.now();
  for (let n = 0; n < 10; n++) pair.socket.write(`${n}`);
  await eventually("all bytes", () => pair.received() === "0123456789");
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(55);
  await pair.close();
});

test("cut connections end on both sides", async () => {
  const pair = await openPair();
  pair.socket.write("1");
  await eventually("the echo", () => pair.received() === "1");
  expect(pair.links.cut()).toBe(1);
  await eventually("the end", () => pair.socket.destroyed);
  await pair.close();
});

/** A listener, and a connection to it that another process holds. */
async function openFromChild(): Promise<{
  readonly pid: number;
  readonly local: HostPort;
  readonly remote: HostPort;
  close(): Promise<void>;
}> {
  const [port = 0] = await findFreePorts("127.0.0.1", 1);
  const server = createServer((socket) => socket.on("error", () => undefined));
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  const child = Bun.spawn(["bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/${port}; exec sleep 20`]);
  const caller = await new Promise<Socket>((done) => server.once("connection", done));
  return {
    pid: child.pid,
    local: { host: "127.0.0.1", port: caller.remotePort ?? 0 },
    remote: { host: "127.0.0.1", port },
    async close() {
      child.kill();
      await child.exited;
      caller.destroy();
      server.close();
    },
  };
}

test("the process that holds a socket is found by its addresses", async () => {
  const { pid, local, remote, close } = await openFromChild();
  const me = ["me", process.pid] as const;
  expect(ownerOfSocket(local, remote, new Map([me, ["child", pid]]))).toBe("child");
  expect(ownerOfSocket(local, remote, new Map([me]))).toBeUndefined();
  expect(ownerOfSocket(remote, local, new Map([me, ["child", pid]]))).toBe("me");
  await close();
  expect(ownerOfSocket(local, remote, new Map([me, ["child", pid]]))).toBeUndefined();
});

test("who holds a socket is found without the table of all connections, however long it is", async () => {
  const { pid, local, remote, close } = await openFromChild();
  const before = bytesRead();
  expect(ownerOfSocket(local, remote, new Map([["child", pid]]))).toBe("child");
  expect(bytesRead() - before).toBeLessThan(readFileSync("/proc/net/tcp").length);
  await close();
});

/** By this process so far, from files; asking for it is among them. */
function bytesRead(): number {
  return Number(/rchar: (\d+)/.exec(readFileSync("/proc/self/io", "latin1"))?.[1]);
}
