import { expect, test } from "bun:test";
import type { GrpcSettings } from "../../../agent/config/edge-settings.ts";
import { resolveGrpc } from "../../../agent/config/grpc-options.ts";

const client = {
  clientAddresses: ["127.0.0.1"],
  isDev: false,
  isServer: false,
  httpPort: undefined,
  workingDir: "/srv",
};
const server = { ...client, isServer: true };
const files = { certFile: "a.pem", keyFile: "/etc/a.key" };

function ports(settings: GrpcSettings, context: Parameters<typeof resolveGrpc>[1]): unknown {
  return resolveGrpc(settings, context).listeners.map(({ isTls, at, isOptional }) => [isTls, at.port, isOptional]);
}

test("nobody listens unless asked to, but -dev without TLS and a server with a certificate over TLS", () => {
  expect(ports({}, client)).toEqual([]);
  expect(ports(files, client)).toEqual([]);
  expect(ports({}, server)).toEqual([]);
  expect(ports(files, server)).toEqual([[true, 8503, true]]);
  expect(ports(files, { ...server, isDev: true })).toEqual([[false, 8502, true]]);
  expect(ports({}, { ...server, isDev: true, httpPort: 0 })).toEqual([[false, 0, true]]);
  expect(ports({ port: 1, tlsPort: 2 }, client)).toEqual([
    [false, 1, false],
    [true, 2, false],
  ]);
  expect(ports({ ...files, port: -1, tlsPort: -1 }, { ...server, isDev: true })).toEqual([]);
});

test("each address is a listener, once", () => {
  const { listeners, tls } = resolveGrpc(
    { ...files, port: 1, tlsPort: 2, addresses: "10.0.0.1 ::1 10.0.0.1" },
    { ...client, clientAddresses: ["127.0.0.1", "10.0.0.2"] },
  );
  expect(listeners.map(({ at }) => `${at.host} ${at.port}`)).toEqual([
    "10.0.0.1 1",
    "::1 1",
    "127.0.0.1 2",
    "10.0.0.2 2",
  ]);
  expect(tls).toEqual({
    certFile: "/srv/a.pem",
    keyFile: "/etc/a.key",
    isClientVerified: false,
    minVersion: "TLSv1.2",
  });
});

test.each<[string, GrpcSettings, string]>([
  [
    "half of a certificate",
    { tlsPort: 1, certFile: "a" },
    "tls.grpc.key_file is missing: it is needed beside the other",
  ],
  ["an address that is none", { port: 1, addresses: "web" }, 'addresses.grpc must be IP addresses, found "web"'],
  ["a port", { port: 70_000 }, "ports.grpc must be 0 to 65535, or -1 for none, found 70000"],
  ["a port of TLS", { tlsPort: -2 }, "ports.grpc_tls must be 0 to 65535, or -1 for none, found -2"],
])("refuses %s by its key and value", (_what, settings, message) => {
  expect(() => resolveGrpc(settings, client)).toThrow(message);
});

test("half of a certificate that nobody uses is not looked at", () => {
  expect(resolveGrpc({ certFile: "a" }, server).listeners).toEqual([]);
});
