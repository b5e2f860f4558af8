import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAuthority, writeLeaf } from "../../fakes/certificates.ts";
import { eventually } from "../../fakes/eventually.ts";
import { metric, startProxy } from "../transport/bun-mesh.ts";
import { faults } from "./faulty-app.ts";
import { TcpApp, TcpClient } from "./tcp-ends.ts";

/** The same faults with real sockets and mTLS between: what only a kernel does, such as resets that overtake bytes. */
const directory = mkdtempSync(join(tmpdir(), "atoll-faults-"));
const authority = new TestAuthority();
const app = new TcpApp();
const stops: (() => void)[] = [];
/** Soon enough to wait for it. */
const streamIdleTimeoutMs = 1_000;
let callerPort = 0;
let callerAdmin = 0;
let calleeAdmin = 0;

beforeAll(() => {
  const files = (service: string) => writeLeaf(authority.leaf(service), mkdtempSync(join(directory, service)));
  const intentions = { default: "allow", rules: [] };
  const callee = startProxy({
    identity: files("api"),
    inbound: [
      {
        service: "api",
        listen: "127.0.0.1:0",
        app: `127.0.0.1:${app.port}`,
        protocol: "http",
        intentions,
        streamIdleTimeoutMs,
      },
    ],
    admin: { listen: "127.0.0.1:0" },
  });
  const mesh = callee.proxy.portOf("127.0.0.1:0") ?? 0;
  const caller = startProxy({
    identity: files("web"),
    outbound: [
      {
        service: "api",
        listen: "127.0.0.1:0",
        protocol: "http",
        endpoints: [{ address: `127.0.0.1:${mesh}` }],
        streamIdleTimeoutMs,
      },
    ],
    admin: { listen: "127.0.0.1:0" },
  });
  stops.push(callee.stop, caller.stop);
  callerPort = caller.proxy.portOf("127.0.0.1:0") ?? 0;
  callerAdmin = caller.proxy.adminPort;
  calleeAdmin = callee.proxy.adminPort;
});

afterAll(() => {
  for (const stop of stops) stop();
  app.stop();
  rmSync(directory, { recursive: true });
});

for (const protocol of ["HTTP/1.1", "HTTP/2"] as const) {
  describe("an app on real sockets that", () => {
    for (const fault of faults) {
      test(`${fault.name} is a ${fault.sees} over ${protocol}, and spoils nothing else`, async () => {
        const client = new TcpClient(callerPort, protocol);
        app.play(fault);
        expect(await client.ask(fault.request ?? "get", 10_000)).toBe(fault.sees);
        app.play(undefined);
        for (let round = 0; round < 3; round++) expect(await client.ask("get", 10_000)).toBe("200 good");
        client.close();
      });
    }
  });
}

test("nothing of all that is left open", async () => {
  app.play(undefined);
  for (const admin of [callerAdmin, calleeAdmin]) {
    // The mesh's own connections stay, for the next request.
    const limit = admin === callerAdmin ? 0 : 8;
    await eventually("connections to end", async () => {
      const open = await metric(admin, /^tcp_open_connections\{/);
      return open <= limit;
    });
  }
  expect(app.openSockets).toBeLessThanOrEqual(1);
});
