import { afterEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { connect } from "node:tls";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { type GrpcListenerSpec, type GrpcListeners, openGrpcListeners } from "../../../agent/grpc/grpc-listeners.ts";
import { systemClock } from "../../../lib/base/clock.ts";
import { silentLogger } from "../../../lib/base/logger.ts";
import { systemRandom } from "../../../lib/base/random.ts";
import type { TlsFiles } from "../../../lib/http/tls-material.ts";
import { findFreePorts } from "../../../tools/free-ports.ts";
import { TestAuthority, type TestLeaf } from "../../fakes/certificates.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";

const runtime = { clock: systemClock, random: systemRandom, logger: silentLogger };
const host = "127.0.0.1";
const authority = new TestAuthority();
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(listeners: readonly GrpcListenerSpec[], tls?: TlsFiles): Promise<GrpcListeners> {
  const opened = await openGrpcListeners({ spec: { listeners, ...(tls && { tls }) }, runtime });
  closers.push(() => opened.close(0));
  return opened;
}

const plain = (port = 0): GrpcListenerSpec => ({ isTls: false, at: { host, port }, isOptional: false });
const overTls = (port = 0): GrpcListenerSpec => ({ isTls: true, at: { host, port }, isOptional: false });
const portOf = (opened: GrpcListeners, n = 0): number => opened.addresses[n]?.at.port ?? 0;

function clientOf(port: number, tls?: { readonly leaf: TestLeaf; readonly hasCertificate: boolean }): Client {
  const key =
    tls?.hasCertificate === true ? [Buffer.from(tls.leaf.keyPem), Buffer.from(tls.leaf.certPem)] : [null, null];
  const security =
    tls === undefined
      ? credentials.createInsecure()
      : credentials.createSsl(Buffer.from(tls.leaf.caPem), key[0] ?? null, key[1] ?? null);
  const client = new Client(`${tls === undefined ? host : "localhost"}:${port}`, security, {
    "grpc.enable_retries": 0,
  });
  closers.push(() => client.close());
  return client;
}

/** The bytes of a message with one string, and of the answer with one number: both have field 1 alone. */
const withName = (name: string): Buffer => Buffer.concat([Buffer.from([10, name.length]), Buffer.from(name)]);
const statusOf = (bytes: Buffer): number => (bytes[0] === 8 ? (bytes[1] ?? 0) : 0);

function check(client: Client, service = ""): Promise<number | ServiceError> {
  return new Promise((resolve) => {
    const deadline = Date.now() + 5_000;
    client.makeUnaryRequest<string, number>(
      "/grpc.health.v1.Health/Check",
      withName,
      statusOf,
      service,
      { deadline },
      (error, answer = 0) => resolve(error ?? answer),
    );
  });
}

function filesOf(leaf: TestLeaf, name = "a"): TlsFiles {
  const directory = createTempDir();
  closers.push(() => directory[Symbol.dispose]());
  const write = (kind: string, text: string): string => {
    const path = join(directory.path, `${name}.${kind}`);
    writeFileSync(path, text);
    return path;
  };
  return {
    certFile: write("crt", leaf.certPem),
    keyFile: write("key", leaf.keyPem),
    caFile: write("ca", leaf.caPem),
    isClientVerified: false,
    minVersion: "TLSv1.2",
  };
}

test("its health is that of the agent and of each service, and is said to who watches until it ends", async () => {
  const opened = await open([plain()]);
  const client = clientOf(portOf(opened));
  expect(await check(client)).toBe(1);
  expect(await check(client, "grpc.health.v1.Health")).toBe(1);
  expect(await check(client, "web")).toMatchObject({ code: status.NOT_FOUND, details: 'unknown service "web"' });

  const seen: Record<string, number[]> = { "": [], web: [] };
  const ended = ["", "web"].map((service) => {
    const stream = client.makeServerStreamRequest("/grpc.health.v1.Health/Watch", withName, statusOf, service);
    stream.on("data", (answer: number) => seen[service]?.push(answer));
    return new Promise((resolve) => stream.on("status", ({ code }) => resolve(code)));
  });
  while (Object.values(seen).some((answers) => answers.length === 0)) await Bun.sleep(2);
  await opened.close(2_000);
  expect(await Promise.all(ended)).toEqual([status.OK, status.OK]);
  expect(seen).toEqual({ "": [1, 2], web: [3] });
  expect(await check(client)).toMatchObject({ code: status.UNAVAILABLE });
});

test("a port that is taken is an error where somebody asked for it, and only a warning else", async () => {
  const other = createServer().listen(0, host);
  closers.push(() => other.close());
  await new Promise((resolve) => other.once("listening", resolve));
  const address = other.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await expect(open([plain(), plain(port)])).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
  await expect(open([overTls(port)])).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
  const opened = await open([{ ...plain(port), isOptional: true }, plain()]);
  expect(opened.addresses).toHaveLength(1);
  expect(await check(clientOf(portOf(opened)))).toBe(1);
});

test("without a certificate a listener over TLS ends every connection", async () => {
  const [port = 0] = await findFreePorts(host, 1);
  const opened = await open([overTls(port)]);
  expect(opened.addresses).toEqual([{ isTls: true, at: { host, port } }]);
  const socket = connect({ host, port, rejectUnauthorized: false });
  expect(await new Promise((resolve) => socket.once("error", () => resolve("ended")).once("secure", resolve))).toBe(
    "ended",
  );
});

test("over TLS it shows the certificate of its files, after a reload the new one, and asks for one where it is told to", async () => {
  const leaf = authority.leaf("grpc", { dnsNames: ["localhost"] });
  const files = filesOf(leaf);
  const opened = await open([overTls()], files);
  const shown = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({
        host,
        port: portOf(opened),
        ca: leaf.caPem,
        servername: "localhost",
        ALPNProtocols: ["h2"],
      });
      socket.once("error", reject).once("secureConnect", () => {
        const { subject } = socket.getPeerCertificate();
        resolve(`${subject.CN} ${String(socket.alpnProtocol)}`);
        socket.destroy();
      });
    });
  expect(await check(clientOf(portOf(opened), { leaf, hasCertificate: false }))).toBe(1);
  expect(await shown()).toBe("grpc h2");
  opened.reload({ listeners: [], tls: filesOf(authority.leaf("renewed", { dnsNames: ["localhost"] }), "b") });
  expect(await shown()).toBe("renewed h2");
  writeFileSync(files.keyFile, "no key");
  expect(() => opened.reload({ listeners: [], tls: files })).toThrow(`key_file ${files.keyFile} holds no PEM block`);
  expect(await shown()).toBe("renewed h2");

  const strict = await open([overTls()], { ...filesOf(leaf, "c"), isClientVerified: true });
  expect(await check(clientOf(portOf(strict), { leaf, hasCertificate: false }))).toMatchObject({
    code: status.UNAVAILABLE,
  });
  expect(await check(clientOf(portOf(strict), { leaf, hasCertificate: true }))).toBe(1);
});
