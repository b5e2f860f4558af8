import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";

let dir: TempDir;

beforeEach(() => {
  dir = createTempDir();
});

afterEach(() => dir[Symbol.dispose]());

function run(...cmd: string[]): { readonly code: number; readonly out: string } {
  const child = Bun.spawnSync(cmd, { cwd: dir.path });
  return { code: child.exitCode, out: child.stdout.toString() + child.stderr.toString() };
}

const atoll = (...args: string[]) => run(join(import.meta.dirname, "..", "..", "bin", "atoll"), "tls", ...args);

test("an authority and certificates are made under Consul's names, and openssl verifies them", () => {
  expect(atoll("ca", "create")).toEqual({
    code: 0,
    out: "==> Saved consul-agent-ca.pem\n==> Saved consul-agent-ca-key.pem\n",
  });
  expect(atoll("ca", "create")).toEqual({ code: 1, out: "error: consul-agent-ca.pem already exists.\n" });
  const server = atoll("cert", "create", "-server", "-additional-dnsname=api.test", "-additional-ipaddress=fd00::1");
  expect(server.out).toBe(
    "==> Using consul-agent-ca.pem and consul-agent-ca-key.pem\n==> Saved dc1-server-consul-0.pem\n==> Saved dc1-server-consul-0-key.pem\n",
  );
  expect(atoll("cert", "create", "-server").out).toContain("==> Saved dc1-server-consul-1.pem");
  expect(atoll("cert", "create", "-cli").out).toContain("==> Saved dc1-cli-consul-0.pem");
  expect(statSync(join(dir.path, "dc1-server-consul-0-key.pem")).mode & 0o777).toBe(0o600);
  for (const [name, purpose] of [
    ["dc1-server-consul-0.pem", "sslserver"],
    ["dc1-cli-consul-0.pem", "sslclient"],
  ] as const) {
    expect(run("openssl", "verify", "-purpose", purpose, "-CAfile", "consul-agent-ca.pem", name)).toEqual({
      code: 0,
      out: `${name}: OK\n`,
    });
  }
  const text = run("openssl", "x509", "-noout", "-text", "-in", "dc1-server-consul-0.pem").out;
  expect(text).toContain(
    "DNS:server.dc1.consul, DNS:localhost, DNS:api.test, IP Address:127.0.0.1, IP Address:FD00:0:0:0:0:0:0:1",
  );
  expect(readFileSync(join(dir.path, "dc1-server-consul-0-key.pem"), "utf8")).toStartWith(
    "-----BEGIN PRIVATE KEY-----",
  );
});

test("a key that is not the authority's, and a role that is not said, are refused", () => {
  atoll("ca", "create");
  atoll("ca", "create", "-domain=other");
  expect(atoll("cert", "create", "-client", "-key=other-agent-ca-key.pem")).toEqual({
    code: 1,
    out: "error: the CA's key is not that of its certificate\n",
  });
  expect(atoll("cert", "create").out).toBe("error: Please provide exactly one of -server, -client, or -cli\n");
});
