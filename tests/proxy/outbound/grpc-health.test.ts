import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { TestAuthority, writeLeaf } from "../../fakes/certificates.ts";
import { eventually } from "../../fakes/eventually.ts";
import { metric, startProxy } from "../transport/bun-mesh.ts";
import { startGrpcCallee, startGrpcServer } from "./grpc-server.ts";

const base = mkdtempSync(join(tmpdir(), "atoll-grpc-health-"));
const authority = new TestAuthority();
const stops: (() => void)[] = [];
afterAll(() => {
  for (const stop of stops.toReversed()) stop();
  rmSync(base, { recursive: true });
});

/** A server of grpc-js with the health service: what it says of `greeter`, by the protocol's numbers; others it does not know. */
async function startServer(): Promise<{ readonly port: number; says: number }> {
  const state = { port: 0, says: 1 };
  const { port, stop } = await startGrpcServer("/grpc.health.v1.Health/Check", ({ request }, answer) => {
    if (request.equals(Buffer.from("\n\x07greeter"))) answer(null, Buffer.from([8, state.says]));
    else answer({ code: status.NOT_FOUND });
  });
  stops.push(stop);
  return Object.assign(state, { port });
}

test("a server of grpc-js is asked through the mesh, and what it says takes its endpoint out and brings it back", async () => {
  const server = await startServer();
  const callee = startGrpcCallee(server.port, { authority, directory: base });
  stops.push(callee.stop);
  const { address } = callee;
  const healthCheck = { type: "grpc", grpcService: "greeter", intervalMs: 30, unhealthyThreshold: 2 };
  const other = {
    name: "other",
    service: "api",
    endpoints: [{ address }],
    healthCheck: { ...healthCheck, grpcService: "x" },
  };
  const outbound = { service: "api", listen: "127.0.0.1:0", protocol: "grpc", endpoints: [{ address }], healthCheck };
  const caller = startProxy({
    identity: writeLeaf(authority.leaf("web"), mkdtempSync(join(base, "leaf-"))),
    outbound: [{ ...outbound, clusters: [other] }],
    admin: { listen: "127.0.0.1:0" },
  });
  stops.push(caller.stop);
  const port = caller.proxy.adminPort;
  const failing = (cluster: string) =>
    metric(port, new RegExp(`^atoll_proxy_endpoints_failing_checks{.*cluster="${cluster}"`));
  const passed = () => metric(port, /^atoll_proxy_health_checks_total{.*cluster="api",result="passed"/);
  await eventually("checks are passed", async () => (await passed()) > 3);
  expect(await failing("api")).toBe(0);
  await eventually("who is not known is out", async () => (await failing("other")) === 1);
  server.says = 2;
  await eventually("who does not serve is out", async () => (await failing("api")) === 1);
  server.says = 1;
  await eventually("who serves again is back", async () => (await failing("api")) === 0);
});
