import { expect, test } from "bun:test";
import { Server, ServerCredentials, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { createSocket } from "node:dgram";
import { createServer as createH2, createSecureServer } from "node:http2";
import { createServer as createTcp, type Server as NetServer } from "node:net";
import { createServer as createTls } from "node:tls";
import { probeGrpc } from "../../../agent/checks/grpc-probe.ts";
import { probeH2Ping } from "../../../agent/checks/h2-ping-probe.ts";
import { probeTcp } from "../../../agent/checks/tcp-probe.ts";
import { probeUdp } from "../../../agent/checks/udp-probe.ts";
import { TestAuthority } from "../../fakes/certificates.ts";

const limits = { signal: new AbortController().signal, outputMaxBytes: 4_096 };
const unverified = { skipVerify: true, serverName: "" };
const verified = { skipVerify: false, serverName: "" };

/** A certificate of an authority that nobody here trusts. */
function selfSigned(): { readonly key: string; readonly cert: string } {
  const { keyPem, certPem } = new TestAuthority().leaf("web", { dnsNames: ["web.test"] });
  return { key: keyPem, cert: certPem };
}

async function listen(server: NetServer): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
}

/** An address at which nobody listens. */
async function closedAddress(): Promise<string> {
  const server = createTcp();
  const address = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return address;
}

test("a TCP check over TLS passes after a handshake, and verifies unless it is told not to", async () => {
  const server = createTls(selfSigned(), (socket) => socket.on("error", () => undefined));
  server.on("tlsClientError", () => undefined);
  const address = await listen(server);
  expect(await probeTcp({ address, tls: unverified }, limits)).toEqual({
    status: "passing",
    output: `TCP connect ${address}: Success`,
  });
  expect((await probeTcp({ address, tls: verified }, limits)).status).toBe("critical");
  server.close();
});

test("a TCP check over TLS is critical where nobody speaks it", async () => {
  const server = createTcp((socket) => socket.destroy());
  const address = await listen(server);
  expect((await probeTcp({ address, tls: unverified }, limits)).status).toBe("critical");
  server.close();
});

test("a UDP check passes with an answer and without one, and is critical where nobody listens", async () => {
  const server = createSocket("udp4");
  let received = "";
  server.on("message", (message, from) => {
    received = String(message);
    server.send("pong", from.port, from.address);
  });
  await new Promise<void>((resolve) => server.bind(0, "127.0.0.1", resolve));
  const address = `127.0.0.1:${server.address().port}`;
  expect(await probeUdp({ address }, limits)).toEqual({ status: "passing", output: `UDP connect ${address}: Success` });
  expect(received).not.toBe("");
  server.removeAllListeners("message");
  const mute = new AbortController();
  const asked = new Promise((resolve) => server.once("message", resolve));
  const pending = probeUdp({ address }, { ...limits, signal: mute.signal });
  await asked;
  mute.abort();
  expect((await pending).status).toBe("passing");
  await new Promise<void>((resolve) => server.close(() => resolve()));
  const bound = new AbortController();
  const timer = setTimeout(() => bound.abort(), 5_000);
  const gone = await probeUdp({ address }, { ...limits, signal: bound.signal });
  clearTimeout(timer);
  expect(gone.status).toBe("critical");
});

test("an HTTP/2 ping passes in clear text and over TLS, and is critical where there is no HTTP/2", async () => {
  const clear = createH2();
  const clearAddress = await listen(clear);
  expect(await probeH2Ping({ address: clearAddress }, limits)).toEqual({
    status: "passing",
    output: "HTTP2 ping was successful",
  });
  const secure = createSecureServer(selfSigned());
  secure.on("tlsClientError", () => undefined);
  const secureAddress = await listen(secure);
  expect((await probeH2Ping({ address: secureAddress, tls: unverified }, limits)).status).toBe("passing");
  expect((await probeH2Ping({ address: secureAddress, tls: verified }, limits)).status).toBe("critical");
  const other = createTcp((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  const otherAddress = await listen(other);
  const bound = new AbortController();
  const timer = setTimeout(() => bound.abort(), 5_000);
  expect((await probeH2Ping({ address: otherAddress }, { ...limits, signal: bound.signal })).status).toBe("critical");
  clearTimeout(timer);
  expect((await probeH2Ping({ address: await closedAddress() }, limits)).status).toBe("critical");
  for (const server of [clear, secure, other]) server.close();
});

/** grpc.health.v1 with one service that is well and one that is not. */
async function grpcServer(credentials: ServerCredentials): Promise<{ address: string; stop(): void }> {
  const server = new Server();
  const definition = {
    Check: {
      path: "/grpc.health.v1.Health/Check",
      requestStream: false,
      responseStream: false,
      requestSerialize: (value: Buffer) => value,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: (value: Buffer) => value,
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  } as const;
  const statuses = new Map([
    ["", 1],
    ["sick", 2],
  ]);
  const implementation: UntypedServiceImplementation = {
    Check(call: { request: Buffer }, callback: (error: object | null, value?: Buffer) => void) {
      const status = statuses.get(call.request.subarray(2).toString("utf8"));
      if (status === undefined) callback({ code: 5, details: "unknown service" });
      else callback(null, Buffer.from([0x08, status]));
    },
  };
  server.addService(definition, implementation);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  return { address: `127.0.0.1:${port}`, stop: () => server.forceShutdown() };
}

test("a gRPC check asks for the health of a server or of one of its services", async () => {
  const server = await grpcServer(ServerCredentials.createInsecure());
  const probe = { address: server.address, service: "", timeoutMs: 1_000 };
  expect(await probeGrpc(probe, limits)).toEqual({
    status: "passing",
    output: `gRPC check ${server.address}: success`,
  });
  const sick = await probeGrpc({ ...probe, service: "sick" }, limits);
  expect(sick).toEqual({ status: "critical", output: "gRPC application didn't report service healthy" });
  const unknown = await probeGrpc({ ...probe, service: "nobody" }, limits);
  expect(unknown.status).toBe("critical");
  expect(unknown.output).toContain("unknown service");
  server.stop();
  const gone = await probeGrpc(probe, limits);
  expect(gone.status).toBe("critical");
  expect(await probeGrpc(probe, limits)).toEqual(gone);
});

test("a gRPC check over TLS verifies unless it is told not to", async () => {
  const { key, cert } = selfSigned();
  const pair = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) };
  const server = await grpcServer(ServerCredentials.createSsl(null, [pair]));
  const probe = { address: server.address, service: "", timeoutMs: 1_000 };
  expect(await probeGrpc({ ...probe, tls: unverified }, limits)).toMatchObject({ status: "passing" });
  expect((await probeGrpc({ ...probe, tls: verified }, limits)).status).toBe("critical");
  server.stop();
});

test("a gRPC server that does not answer is critical when the time is over", async () => {
  const server = createTcp((socket) => socket.on("error", () => undefined));
  const address = await listen(server);
  const deadline = new AbortController();
  const pending = probeGrpc({ address, service: "", timeoutMs: 1 }, { ...limits, signal: deadline.signal });
  deadline.abort();
  expect(await pending).toEqual({ status: "critical", output: `gRPC check ${address}: no answer in time` });
  server.close();
});
