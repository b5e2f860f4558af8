import { expect, test } from "bun:test";
import { resolveEdge } from "../../../agent/config/edge-options.ts";
import type { EdgeSettings } from "../../../agent/config/edge-settings.ts";

const context = { clientAddresses: ["127.0.0.1"], httpPort: 8500, workingDir: "/srv" };
const files = { certFile: "a.pem", keyFile: "/etc/a.key" };

test("each address of a scheme is a listener, and a scheme without a port has none", () => {
  const edge = resolveEdge(
    { ...files, httpAddresses: "10.0.0.1 unix:///run/api.sock", httpsPort: 8501 },
    { ...context, clientAddresses: ["127.0.0.1", "::1"] },
  );
  expect(edge.listeners).toEqual([
    { isTls: false, at: { host: "10.0.0.1", port: 8500 } },
    { isTls: false, at: { socketPath: "/run/api.sock" } },
    { isTls: true, at: { host: "127.0.0.1", port: 8501 } },
    { isTls: true, at: { host: "::1", port: 8501 } },
  ]);
  expect(edge.tls).toEqual({
    certFile: "/srv/a.pem",
    keyFile: "/etc/a.key",
    isClientVerified: false,
    minVersion: "TLSv1.2",
  });
  expect(resolveEdge({ ...files, httpsPort: 1 }, { ...context, httpPort: -1 }).listeners).toHaveLength(1);
});

test("cipher suites go by Go's names, versions by both of Consul's spellings", () => {
  const tlsCipherSuites =
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_RSA_WITH_AES_256_CBC_SHA";
  const tls = (settings: EdgeSettings) => resolveEdge({ ...files, httpsPort: 1, ...settings }, context).tls;
  expect(tls({ tlsCipherSuites })?.ciphers).toBe(
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:AES256-SHA",
  );
  expect(["TLSv1_3", "tls13", "tls10", "TLSv1_2"].map((text) => tls({ tlsMinVersion: text })?.minVersion)).toEqual([
    "TLSv1.3",
    "TLSv1.3",
    "TLSv1.2",
    "TLSv1.2",
  ]);
});

test.each<[string, EdgeSettings, string]>([
  [
    "half of a certificate",
    { httpsPort: 1, certFile: "a" },
    "tls.https.key_file is missing: it is needed beside the other",
  ],
  [
    "an address that is none",
    { httpAddresses: "web" },
    'addresses.http must be IP addresses or unix:// paths, found "web"',
  ],
  ["a mode", { socketMode: "rw" }, 'unix_sockets.mode must be octal permissions such as 0770, found "rw"'],
  [
    "a version",
    { ...files, httpsPort: 1, tlsMinVersion: "ssl3" },
    'tls_min_version must be TLSv1_2 or TLSv1_3, found "ssl3"',
  ],
  ["a cipher", { ...files, httpsPort: 1, tlsCipherSuites: "RC4" }, 'tls_cipher_suites: "RC4" is not known'],
  [
    "a header that splits",
    { responseHeaders: { A: "b\r\nc: d" } },
    'http_config.response_headers: "A" cannot be a header',
  ],
  ["a timeout", { handshakeTimeout: "soon" }, 'limits.https_handshake_timeout must be a duration such as "5s"'],
])("%s is refused", (_what, settings, message) => {
  expect(() => resolveEdge(settings, context)).toThrow(message);
});

test("a port for HTTPS without a certificate is a listener all the same", () => {
  const edge = resolveEdge({ httpsPort: 1 }, context);
  expect([edge.listeners.length, edge.tls]).toEqual([2, undefined]);
});

test("an agent that nobody could ask is refused", () => {
  expect(() => resolveEdge({}, { ...context, httpPort: -1 })).toThrow("ports.http and ports.https are both -1");
});
