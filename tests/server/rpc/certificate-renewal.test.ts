import { expect, test } from "bun:test";
import { connect } from "node:tls";
import { createTestRuntime } from "../../fakes/test-runtime.ts";
import { createVirtualClock } from "../../fakes/virtual-clock.ts";
import { never, startTestAgent, startTestCluster } from "./test-cluster.ts";

const hourMs = 3_600_000;

function presentedSerial(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    socket.once("secureConnect", () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

test("the server's certificate is new after half of its life, without listening again or losing an agent", async () => {
  // The first certificate is 13 hours old for everybody else, the second one hour: both are valid.
  const clock = createVirtualClock(Date.now() - 13 * hourMs);
  await using cluster = await startTestCluster({ runtime: createTestRuntime({ clock }) });
  const { port } = cluster.rpc.address;
  await using agent = await startTestAgent(cluster);
  const first = await presentedSerial(port);
  await clock.advance(11.5 * hourMs);
  expect(await presentedSerial(port)).toBe(first);
  await clock.advance(hourMs);
  expect(await presentedSerial(port)).not.toBe(first);
  expect(await agent.link.write({ type: "deregister", node: "host-1" }, never)).toEqual({ index: 1 });
  await using late = await startTestAgent(cluster, { node: "host-2" });
  expect(await late.link.write({ type: "deregister", node: "host-2" }, never)).toEqual({ index: 2 });
});

test("a stopped server leaves no timer behind", async () => {
  const clock = createVirtualClock(Date.now());
  const cluster = await startTestCluster({ runtime: createTestRuntime({ clock }) });
  expect(clock.pendingTimers()).toBe(1);
  await cluster.rpc.stop(100);
  expect(clock.pendingTimers()).toBe(0);
  await cluster[Symbol.asyncDispose]();
});
