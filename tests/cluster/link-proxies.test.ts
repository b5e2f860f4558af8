import { expect, test } from "bun:test";
import { connect, createServer, type Server, type Socket } from "node:net";
import { findFreePorts } from "../../tools/free-ports.ts";
import { eventually } from "../fakes/eventually.ts";
import { LinkProxies } from "./link-proxies.ts";
import { ownerOfPort } from "./socket-owner.ts";

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

test("the process that holds a socket is found by its port", async () => {
  const [port = 0] = await findFreePorts("127.0.0.1", 1);
  const server = createServer(() => undefined);
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  const child = Bun.spawn(["bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/${port}; sleep 20`]);
  const callerPort = await new Promise<number>((done) => server.once("connection", (s) => done(s.remotePort ?? 0)));
  const pids = new Map([
    ["me", process.pid],
    ["child", child.pid],
  ]);
  expect(ownerOfPort(callerPort, pids)).toBe("child");
  expect(ownerOfPort(callerPort, new Map([["me", process.pid]]))).toBeUndefined();
  child.kill();
  server.close();
});
