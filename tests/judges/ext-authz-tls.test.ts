import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EchoApp } from "../conformance/echo-app.ts";
import { http2Caller, type MeshCaller } from "../conformance/mesh-callers.ts";
import { source } from "../conformance/rule-kinds.ts";
import { findFreePorts } from "../../tools/free-ports.ts";
import { TestAuthority, writeLeaf } from "../fakes/certificates.ts";
import { startProxy } from "../proxy/transport/bun-mesh.ts";
import { findProgram, type Server, startServer } from "./programs.ts";

/** An authorizer that is a service of the mesh, behind a sidecar of its own: asked by mutual TLS, and verified. */
const node = findProgram("node");
const script = join(import.meta.dir, "ext-authz-peer.mjs");
const directory = mkdtempSync(join(tmpdir(), "atoll-authz-tls-"));
const authority = new TestAuthority();
const identityOf = (service: string, issuer = authority) =>
  writeLeaf(issuer.leaf(service, { dnsNames: [service] }), mkdtempSync(join(directory, `${service}-`)));
const admin = { listen: "127.0.0.1:0" };
const patternOf = (service: string): string => `spiffe://*/ns/default/dc/*/svc/${service}`;
const stops: (() => void)[] = [];

interface StartOptions {
  /** From whom the authorizer's sidecar has its certificate. */
  readonly issuer?: TestAuthority;
  /** Whom that lets ask. */
  readonly allowed?: string;
  readonly viaPort?: number;
}

let app: EchoApp;

beforeAll(async () => {
  app = await EchoApp.start();
});

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

afterAll(() => {
  app.stop();
  rmSync(directory, { recursive: true });
});

describe.skipIf(node.isMissing).each(["grpc", "http"] as const)(
  `an authorizer of the mesh over %s${node.note}`,
  (kind) => {
    let authorizer: Server;
    beforeAll(async () => {
      authorizer = await startServer([node.path, script, kind]);
    });
    afterAll(() => authorizer.stop());

    /** With `viaPort` it is reached through an outbound listener of the proxy that asks. */
    function start(
      peerIdentity: string,
      { issuer = authority, allowed = "api", viaPort = 0 }: StartOptions = {},
    ): MeshCaller {
      const intentions = { default: "deny", rules: [{ source: patternOf(allowed), action: "allow" }] };
      const inbound = { service: "authz", listen: "127.0.0.1:0", app: `127.0.0.1:${authorizer.port}`, protocol: kind };
      const sidecar = startProxy({
        identity: identityOf("authz", issuer),
        inbound: [{ ...inbound, intentions }],
        admin,
      });
      const mesh = `127.0.0.1:${sidecar.proxy.portOf("127.0.0.1:0") ?? 0}`;
      const via = { listen: `127.0.0.1:${viaPort}`, protocol: kind, service: "authz", endpoints: [{ address: mesh }] };
      const address = viaPort === 0 ? mesh : via.listen;
      const tls = viaPort === 0 ? { serverName: "authz", peerIdentity } : undefined;
      const extAuthz = {
        ...(kind === "grpc"
          ? { grpc: { address, tls } }
          : { http: { address, tls, allowedUpstreamHeaders: [{ type: "exact", value: "x-user" }] } }),
        allowedHeaders: [{ type: "exact", value: "x-authz" }],
        timeoutMs: 10_000,
      };
      const guarded = startProxy({
        identity: identityOf("api"),
        inbound: [
          {
            ...{ service: "api", listen: "127.0.0.1:0", app: `127.0.0.1:${app.port}`, protocol: "http", extAuthz },
            intentions: { default: "deny", rules: [{ source, action: "allow" }] },
          },
        ],
        outbound: viaPort === 0 ? [] : [{ ...via, peerIdentity }],
        admin,
      });
      const caller = http2Caller({ port: guarded.proxy.portOf("127.0.0.1:0") ?? 0, leaf: authority.leaf("web") });
      stops.push(() => caller.close(), guarded.stop, sidecar.stop);
      return caller;
    }

    const ask = (caller: MeshCaller, behaviour: string) =>
      caller.ask({ method: "GET", target: "/", fields: ["x-authz", behaviour] });

    test.each(["by itself", "through an outbound listener"])("allows and denies, reached %s", async (way) => {
      const [port = 0] = way === "by itself" ? [] : await findFreePorts("127.0.0.1", 1);
      const caller = start(patternOf("authz"), { viaPort: port });
      expect((await ask(caller, "allow")).status).toBe(200);
      expect(app.seen.at(-1)?.fields.find(([name]) => name === "x-user")?.[1]).toMatch(
        kind === "grpc" ? /svc\/web$/ : /^alice$/,
      );
      expect((await ask(caller, "deny")).status).toBe(401);
    });

    test.each([
      ["is another one than was meant", patternOf("other"), {}],
      ["has its certificate from somebody else", patternOf("authz"), { issuer: new TestAuthority() }],
      ["does not want to be asked by us", patternOf("authz"), { allowed: "other" }],
    ])("that %s has not allowed anything", async (_, pattern, options) => {
      const before = app.seen.length;
      const { status, body } = await ask(start(pattern, options), "allow");
      expect([status, app.seen.length]).toEqual([403, before]);
      // Over HTTP its sidecar's 403 is as good as its own.
      if (!("allowed" in options && kind === "http")) expect(body).toBe("external authorization failed\n");
    });
  },
);
