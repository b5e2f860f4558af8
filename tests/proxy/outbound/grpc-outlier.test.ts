import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials, Metadata, status } from "@grpc/grpc-js";
import { TestAuthority, writeLeaf } from "../../fakes/certificates.ts";
import { metric, startProxy } from "../transport/bun-mesh.ts";
import { startGrpcCallee, startGrpcServer } from "./grpc-server.ts";

const base = mkdtempSync(join(tmpdir(), "atoll-grpc-outlier-"));
const authority = new TestAuthority();
const stops: (() => void)[] = [];
afterAll(() => {
  for (const stop of stops.toReversed()) stop();
  rmSync(base, { recursive: true });
});

/** A call; the status that it ended with. */
function call(client: Client): Promise<number> {
  const asIs = (value: Buffer): Buffer => value;
  return new Promise((resolve) => {
    client.makeUnaryRequest("/a.B/C", asIs, asIs, Buffer.from("?"), (error) => resolve(error?.code ?? status.OK));
  });
}

/** A caller of one endpoint whose server ends calls with `code`, in trailers when it has sent metadata first. */
async function startMesh(code: number, sendsMetadata: boolean) {
  const server = await startGrpcServer("/a.B/C", (asked, answer) => {
    if (sendsMetadata) asked.sendMetadata(new Metadata());
    if (code === status.OK) answer(null, Buffer.from("!"));
    else answer({ code, details: "as told" });
  });
  const callee = startGrpcCallee(server.port, { authority, directory: base });
  const caller = startProxy({
    identity: writeLeaf(authority.leaf("web"), mkdtempSync(join(base, "leaf-"))),
    outbound: [
      {
        service: "api",
        listen: "127.0.0.1:0",
        protocol: "grpc",
        endpoints: [{ address: callee.address }],
        outlierDetection: {},
      },
    ],
    admin: { listen: "127.0.0.1:0" },
  });
  const client = new Client(`127.0.0.1:${caller.proxy.portOf("127.0.0.1:0")}`, credentials.createInsecure());
  stops.push(server.stop, callee.stop, caller.stop, () => client.close());
  return { client, ejected: () => metric(caller.proxy.adminPort, /^atoll_proxy_endpoints_ejected/) };
}

test.each([
  ["unavailable in trailers is ejected", status.UNAVAILABLE, true, 1],
  ["unavailable in a response of trailers only is ejected", status.UNAVAILABLE, false, 1],
  ["internal errors in trailers is ejected", status.INTERNAL, true, 1],
  ["that something is not found is not", status.NOT_FOUND, true, 0],
  ["what was asked for is not", status.OK, true, 0],
] as const)("an endpoint that answers five calls with %s", async (_what, code, sendsMetadata, expected) => {
  const { client, ejected } = await startMesh(code, sendsMetadata);
  for (let k = 0; k < 4; k++) expect(await call(client)).toBe(code);
  expect(await ejected()).toBe(0);
  expect(await call(client)).toBe(code);
  expect(await ejected()).toBe(expected);
});
