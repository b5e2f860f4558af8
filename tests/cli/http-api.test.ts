import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { join } from "node:path";
import { openHttpApi } from "../../cli/http-api.ts";
import { type HttpFlagValues, readHttpTarget } from "../../cli/http-target.ts";
import { TestAuthority } from "../fakes/certificates.ts";
import { createTempDir, type TempDir } from "../fakes/temp-dir.ts";

const authority = new TestAuthority();
let dir: TempDir;
let plain: Server;
let secure: Server;
let plainPort = 0;
let securePort = 0;

/** Answers with what it was asked, and with the caller's certificate where there is one. */
function echo(request: IncomingMessage): string {
  const { method, url, headers } = request;
  const token = headers["x-consul-token"] ?? "";
  return JSON.stringify({ method, url, token, auth: headers.authorization ?? "" });
}

function write(name: string, text: string): string {
  const path = join(dir.path, name);
  writeFileSync(path, text);
  return path;
}

async function listen(server: Server, at: string | number): Promise<number> {
  await new Promise<void>((resolve) => {
    if (typeof at === "string") server.listen(at, () => resolve());
    else server.listen(at, "127.0.0.1", () => resolve());
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

beforeAll(async () => {
  dir = createTempDir();
  const api = authority.leaf("api", { dnsNames: ["api.test"] });
  plain = createServer((request, response) => response.end(echo(request)));
  plainPort = await listen(plain, 0);
  secure = createTlsServer(
    { cert: api.certPem, key: api.keyPem, ca: api.caPem, requestCert: true, rejectUnauthorized: true },
    (request, response) => response.end(echo(request)),
  );
  securePort = await listen(secure, 0);
});

afterAll(() => {
  plain.close();
  secure.close();
  dir[Symbol.dispose]();
});

async function ask(flags: HttpFlagValues, env: Record<string, string> = {}, path = "/v1/x"): Promise<unknown> {
  return await openHttpApi({ flags, env }).json({ method: "GET", path });
}

test("flags win over ATOLL_ variables, and those over Consul's", async () => {
  const env = { CONSUL_HTTP_ADDR: "nowhere:1", ATOLL_HTTP_ADDR: `127.0.0.1:${plainPort}`, CONSUL_HTTP_TOKEN: "theirs" };
  expect(await ask({}, env)).toMatchObject({ token: "theirs" });
  expect(await ask({}, { ...env, ATOLL_HTTP_TOKEN: "ours" })).toMatchObject({ token: "ours" });
  expect(await ask({ token: "flag" }, { ...env, CONSUL_HTTP_TOKEN_FILE: "/nowhere" })).toMatchObject({ token: "flag" });
  const file = write("token", "filed\n");
  expect(await ask({}, { ...env, CONSUL_HTTP_TOKEN_FILE: file })).toMatchObject({ token: "filed" });
  expect(await ask({ "token-file": file, token: "flag" }, env)).toMatchObject({ token: "filed" });
});

test("datacenter, stale, basic authentication and a path in the address go with every request", async () => {
  const flags = { "http-addr": `http://127.0.0.1:${plainPort}/consul/`, datacenter: "dc2", stale: true };
  expect(await ask(flags, { CONSUL_HTTP_AUTH: "me:secret" })).toEqual({
    method: "GET",
    url: "/consul/v1/x?stale=&dc=dc2",
    token: "",
    auth: `Basic ${Buffer.from("me:secret").toString("base64")}`,
  });
});

test("a unix:// address is a socket file", async () => {
  const socket = createServer((request, response) => response.end(echo(request)));
  await listen(socket, join(dir.path, "api.sock"));
  expect(await ask({ "http-addr": `unix://${join(dir.path, "api.sock")}` })).toMatchObject({ url: "/v1/x" });
  socket.close();
});

test("over TLS the API is verified, by name too, and a client certificate is shown", async () => {
  const client = authority.leaf("client");
  const files = {
    CONSUL_CACERT: write("ca.pem", client.caPem),
    CONSUL_CLIENT_CERT: write("client.pem", client.certPem),
    CONSUL_CLIENT_KEY: write("client.key", client.keyPem),
    CONSUL_TLS_SERVER_NAME: "api.test",
  };
  const address = `127.0.0.1:${securePort}`;
  expect(await ask({ "http-addr": `https://${address}` }, files)).toMatchObject({ url: "/v1/x" });
  expect(await ask({ "http-addr": address }, { ...files, CONSUL_HTTP_SSL: "true" })).toMatchObject({ url: "/v1/x" });
  const failure = async (changed: Record<string, string>) =>
    await ask({ "http-addr": `https://${address}` }, { ...files, ...changed }).catch((error: unknown) => String(error));
  expect(await failure({ CONSUL_TLS_SERVER_NAME: "other.test" })).toContain(`no answer from https://${address}`);
  expect(await failure({ CONSUL_CACERT: "" })).toContain(`no answer from https://${address}`);
  expect(await failure({ CONSUL_CLIENT_CERT: "", CONSUL_CLIENT_KEY: "" })).toContain("no answer from");
  expect(await failure({ CONSUL_CACERT: "", CONSUL_HTTP_SSL_VERIFY: "false" })).toMatchObject({ url: "/v1/x" });
});

test.each<[string, HttpFlagValues, string]>([
  ["an address that is none", { "http-addr": "ftp://x" }, 'HTTP address "ftp://x" is none'],
  ["a namespace", { namespace: "team" }, "-namespace=team: only Consul Enterprise has namespaces, leave it out"],
  ["a token file that is not there", { "token-file": "/nowhere/t" }, "cannot read /nowhere/t: ENOENT"],
])("%s is refused before anything is asked", (_what, flags, message) => {
  expect(() => readHttpTarget(flags, {})).toThrow(message);
});
