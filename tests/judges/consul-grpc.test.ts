import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SignJWT } from "jose";
import { findFreePorts } from "../../tools/free-ports.ts";
import { TestAuthority, writeLeaf } from "../fakes/certificates.ts";
import { createTempDir } from "../fakes/temp-dir.ts";
import { type AgentProcess, startAgentProcess } from "../mesh/agent-process.ts";
import { eventually } from "../fakes/eventually.ts";
import { goJudge, runProgram } from "./programs.ts";

/** The gRPC listeners of a real agent, asked in Go with the stubs that Consul publishes for its own clients. */
const judge = await goJudge();
const token = "7d3c0b6e-4f0f-4a47-9f3c-0b7f0d6f1f11";
const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });

interface Found {
  readonly health: Readonly<Record<string, string>>;
  readonly servers: readonly string[] | null;
  readonly features: Readonly<Record<string, boolean>>;
  readonly secret: string;
  readonly failed: Readonly<Record<string, string>>;
}

describe.skipIf(judge.isMissing)(`Consul's gRPC stubs in Go${judge.note}`, () => {
  const dir = createTempDir();
  let agent: AgentProcess;
  let port = 0;
  let tlsPort = 0;
  const leaf = new TestAuthority().leaf("grpc", { dnsNames: ["server.dc1.consul"] });

  beforeAll(async () => {
    const [httpPort = 0, rpcPort = 0, grpcPort = 0, grpcTlsPort = 0] = await findFreePorts("127.0.0.1", 4);
    port = grpcPort;
    tlsPort = grpcTlsPort;
    const { certFile, keyFile, caFile } = writeLeaf(leaf, dir.path);
    writeFileSync(join(dir.path, "client.pem"), leaf.certPem + leaf.keyPem);
    const config = {
      ports: { grpc: port, grpc_tls: tlsPort },
      tls: { grpc: { cert_file: certFile, key_file: keyFile, ca_file: caFile, verify_incoming: true } },
      acl: { enabled: true, default_policy: "deny", tokens: { initial_management: token } },
    };
    const file = join(dir.path, "agent.json");
    writeFileSync(file, JSON.stringify(config));
    agent = await startAgentProcess({
      args: ["-dev", "-node=n1", `-server-port=${rpcPort}`, `-config-file=${file}`],
      httpPort,
      token,
    });
    await eventually("the token", () => agent.api("GET", "acl/token/self").catch(() => undefined));
    await agent.api("PUT", "acl/auth-method", {
      Name: "jwt",
      Type: "jwt",
      Config: { JWTValidationPubKeys: [keys.publicKey.export({ type: "spki", format: "pem" }).toString()] },
    });
    await agent.api("PUT", "acl/binding-rule", { AuthMethod: "jwt", BindType: "service", BindName: "web" });
  }, 60_000);
  afterAll(async () => {
    await agent.end("SIGTERM");
    dir[Symbol.dispose]();
  });

  async function ask(...args: readonly string[]): Promise<Found> {
    const { code, stdout, stderr } = await runProgram([judge.path, "consul-grpc", ...args], { timeoutMs: 30_000 });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout);
  }

  test("who brings a token is told of health, servers and features", async () => {
    const found = await ask("-address", `127.0.0.1:${port}`, "-token", token);
    const { Config } = (await agent.api("GET", "agent/self")) as { Config: { NodeID: string; Version: string } };
    expect(found).toEqual({
      health: { "": "SERVING", "hashicorp.consul.acl.ACLService": "SERVING", watched: "SERVING" },
      servers: [`${Config.NodeID} 127.0.0.1 ${Config.Version}`],
      features: {
        DATAPLANE_FEATURES_WATCH_SERVERS: true,
        DATAPLANE_FEATURES_EDGE_CERTIFICATE_MANAGEMENT: false,
        DATAPLANE_FEATURES_ENVOY_BOOTSTRAP_CONFIGURATION: false,
      },
      secret: "",
      failed: { "Check nothing": 'NotFound: unknown service "nothing"' },
    });
  });

  test("without a token that is known only health is told", async () => {
    const noToken = "Unauthenticated: ACLs are on: send a token in the metadata x-consul-token";
    const { servers, failed } = await ask("-address", `127.0.0.1:${port}`);
    expect(servers).toBeNull();
    expect(failed).toMatchObject({ WatchServers: noToken, GetSupportedDataplaneFeatures: noToken });
    const unknown = await ask("-address", `127.0.0.1:${port}`, "-token", "11111111-2222-3333-4444-555555555555");
    expect(unknown.failed["WatchServers"]).toStartWith("Unauthenticated: ACL not found");
  });

  test("logs in over TLS with a certificate of its own, and out again", async () => {
    const nowS = Math.floor(Date.now() / 1_000);
    const bearer = await new SignJWT({ iat: nowS - 120, exp: nowS + 600 })
      .setProtectedHeader({ alg: "RS256" })
      .sign(keys.privateKey);
    const secure = [
      "-address",
      `127.0.0.1:${tlsPort}`,
      "-ca",
      join(dir.path, "roots.crt"),
      "-server-name",
      "server.dc1.consul",
    ];
    const refused = await ask(...secure);
    expect(refused.failed["Check "]).toStartWith("Unavailable: ");
    const withCertificate = [...secure, "-cert", join(dir.path, "client.pem")];
    const { secret, failed } = await ask(...withCertificate, "-method", "jwt", "-bearer", bearer);
    expect(failed["Login"]).toBeUndefined();
    const tokens = (await agent.api("GET", "acl/tokens")) as readonly {
      readonly AuthMethod?: string;
      readonly Description: string;
    }[];
    expect(tokens.filter(({ AuthMethod }) => AuthMethod === "jwt")).toMatchObject([
      { Description: 'token created via login: {"pod":"a/b"}', ServiceIdentities: [{ ServiceName: "web" }] },
    ]);
    expect((await ask(...withCertificate, "-token", secret)).servers).toHaveLength(1);
    expect((await ask(...withCertificate, "-logout", secret)).failed["Logout"]).toBeUndefined();
    expect((await ask(...withCertificate, "-token", secret)).failed["WatchServers"]).toStartWith(
      "Unauthenticated: ACL not found",
    );
    expect((await ask(...withCertificate, "-logout", secret)).failed["Logout"]).toStartWith("PermissionDenied: ");
  });

  test("what is wrong with a login is said", async () => {
    const plain = ["-address", `127.0.0.1:${port}`];
    expect((await ask(...plain, "-method", "none", "-bearer", "x")).failed["Login"]).toBe(
      'PermissionDenied: ACL not found: auth method "none" not found',
    );
    expect((await ask(...plain, "-method", "jwt", "-bearer", "x")).failed["Login"]).toStartWith("PermissionDenied: ");
  });
});
