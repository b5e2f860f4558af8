import { expect, test } from "bun:test";
import { MemoryMesh, type MemoryMeshOptions } from "../memory-mesh.ts";
import { get } from "../exchange/talk.ts";

const failed = "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n";
const routes = [
  { match: { path: { type: "exact", value: "/twice" } }, forward: { targets: [{}], retry: { attempts: 1 } } },
];

/** How often the app is asked when each of its answers is 503. */
async function asked(options: MemoryMeshOptions, path = "/"): Promise<number> {
  const mesh = new MemoryMesh(options);
  const client = mesh.client();
  client.send(get.replace("/", path));
  mesh.settle();
  let count = 0;
  for (let i = 0; i < 20 && client.received === ""; i++) {
    if (mesh.app().take() !== "") {
      count++;
      mesh.app().send(failed);
      mesh.settle();
    }
    await mesh.pass(100);
  }
  expect(client.take()).toStartWith("HTTP/1.1 503");
  return count;
}

test("requests are tried again as their route says, else as their listener, else not", async () => {
  expect(await asked({})).toBe(1);
  expect(await asked({ outbound: { retry: { attempts: 3 } } })).toBe(4);
  expect(await asked({ outbound: { routes, retry: { attempts: 3 } } }, "/twice")).toBe(2);
  expect(await asked({ outbound: { routes, retry: { attempts: 3 } } })).toBe(4);
  expect(await asked({ outbound: { routes } })).toBe(1);
});

test.each(["inbound", "outbound"] as const)("a request has the time that the %s listener gives it", async (side) => {
  const mesh = new MemoryMesh({ [side]: { timeoutMs: 500 } });
  const client = mesh.client();
  client.send(get);
  mesh.settle();
  await mesh.pass(490);
  expect(client.take()).toBe("");
  await mesh.pass(40);
  expect(client.take()).toStartWith("HTTP/1.1 504");
  const metrics = side === "inbound" ? mesh.metricsOfCallee() : mesh.metrics();
  expect(metrics).toMatch(/requests_refused_total\{.*reason="request_timeout"\} 1\n/);
});

test("a request that rests has the time that its route says, else its listener, and any where the route says 0", async () => {
  const within = (value: string, idleTimeoutMs: number) => ({
    match: { path: { type: "exact", value } },
    forward: { targets: [{}], idleTimeoutMs },
  });
  const mesh = new MemoryMesh({
    outbound: { streamIdleTimeoutMs: 20_000, routes: [within("/soon", 5_000), within("/never", 0)] },
    inbound: { streamIdleTimeoutMs: 200_000 },
  });
  const clients = ["/soon", "/other", "/never"].map((path) => {
    const client = mesh.client();
    client.send(get.replace("/", path));
    mesh.settle();
    return client;
  });
  const ended = (): boolean[] => clients.map(({ received }) => received.startsWith("HTTP/1.1 504"));
  await mesh.pass(4_000);
  expect(ended()).toEqual([false, false, false]);
  await mesh.pass(4_000);
  expect(ended()).toEqual([true, false, false]);
  await mesh.pass(15_000);
  expect(ended()).toEqual([true, true, false]);
  await mesh.pass(150_000);
  expect(ended()).toEqual([true, true, false]);
  mesh.app().send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  mesh.settle();
  expect(clients[2]?.take()).toStartWith("HTTP/1.1 200");
  expect(mesh.metrics()).toMatch(/requests_refused_total\{.*reason="stream_idle_timeout"\} 2\n/);
});
