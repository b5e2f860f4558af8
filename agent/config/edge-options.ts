import { isIP } from "node:net";
import { resolve } from "node:path";
import { parseDurationMs } from "../../lib/base/duration.ts";
import type { AccessSettings } from "../../lib/http/access-rules.ts";
import type { EdgeListenerSpec, EdgeSpec } from "../../lib/http/edge-listeners.ts";
import type { TlsFiles } from "../../lib/http/tls-material.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { EdgeSettings, TlsSettings } from "./edge-settings.ts";

/** The listeners of the HTTP API and what holds for their requests, with every default filled in. */
export interface EdgeOptions extends EdgeSpec {
  readonly access: AccessSettings;
  readonly maxHeaderBytes?: number;
}

export interface EdgeContext {
  /** Of client_addr, at least one. */
  readonly clientAddresses: readonly string[];
  /** -1 for none. */
  readonly httpPort: number;
  readonly workingDir: string;
}

const defaultMaxConnsPerClient = 200;
const defaultHandshakeTimeoutMs = 5_000;

/** Throws `CONFIG_INVALID` that names the key, the value and the fix. */
export function resolveEdge(settings: EdgeSettings, context: EdgeContext): EdgeOptions {
  const httpsPort = settings.httpsPort ?? -1;
  const listeners = [
    ...listenersOf("addresses.http", settings.httpAddresses, { ...context, port: context.httpPort, isTls: false }),
    ...listenersOf("addresses.https", settings.httpsAddresses, { ...context, port: httpsPort, isTls: true }),
  ];
  if (listeners.length === 0) {
    throw invalid("ports.http and ports.https are both -1, so nobody could ask this agent: give one of them a port");
  }
  const tls = listeners.some((listener) => listener.isTls)
    ? resolveTls("tls.https", settings, context.workingDir)
    : undefined;
  return {
    listeners,
    ...(tls !== undefined && { tls }),
    socketRights: {
      ...(settings.socketUser && { user: settings.socketUser }),
      ...(settings.socketGroup && { group: settings.socketGroup }),
      ...(settings.socketMode && { mode: mustBeMode(settings.socketMode) }),
    },
    maxConnsPerClient: settings.maxConnsPerClient ?? defaultMaxConnsPerClient,
    handshakeTimeoutMs: readTimeout(settings.handshakeTimeout),
    access: {
      responseHeaders: mustBeHeaders(settings.responseHeaders ?? {}),
      blockEndpoints: settings.blockEndpoints ?? [],
      allowWriteFrom: settings.allowWriteFrom ?? [],
    },
    ...(settings.maxHeaderBytes && { maxHeaderBytes: settings.maxHeaderBytes }),
  };
}

function listenersOf(
  key: string,
  text: string | undefined,
  context: EdgeContext & { readonly port: number; readonly isTls: boolean },
): EdgeListenerSpec[] {
  const { port, isTls } = context;
  const places = (text ?? "").split(/\s+/).filter((place) => place !== "");
  // Consul leaves out everything of a scheme without a port; a socket file needs none, but it too is switched off with it.
  if (port < 0) return [];
  return [...new Set(places.length > 0 ? places : context.clientAddresses)].map((place) => {
    if (place.startsWith("unix://") && place.length > 7) {
      return { isTls, at: { socketPath: resolve(context.workingDir, place.slice(7)) } };
    }
    if (isIP(place) !== 0) return { isTls, at: { host: place, port } };
    throw invalid(`${key} must be IP addresses or unix:// paths, found "${place}"`);
  });
}

/** Undefined without a certificate: Consul listens then too, and so it must be with files that were written for it. */
export function resolveTls(key: string, settings: TlsSettings, workingDir: string): TlsFiles | undefined {
  const { certFile, keyFile, caFile, caPath } = settings;
  if (!certFile && !keyFile) return undefined;
  if (!certFile || !keyFile) {
    throw invalid(`${key}.${certFile ? "key_file" : "cert_file"} is missing: it is needed beside the other`);
  }
  return {
    certFile: resolve(workingDir, certFile),
    keyFile: resolve(workingDir, keyFile),
    ...(caFile && { caFile: resolve(workingDir, caFile) }),
    ...(caPath && { caPath: resolve(workingDir, caPath) }),
    isClientVerified: settings.verifyIncoming ?? false,
    minVersion: readMinVersion(settings.tlsMinVersion ?? ""),
    ...(settings.tlsCipherSuites && { ciphers: opensslCiphers(settings.tlsCipherSuites) }),
  };
}

/** What is below 1.2 in old files becomes 1.2: nothing that speaks to an API today needs less. */
function readMinVersion(text: string): TlsFiles["minVersion"] {
  const name = text.toLowerCase().replaceAll(/[_v.]/g, "");
  if (["", "tlsauto", "tls10", "tls11", "tls12"].includes(name)) return "TLSv1.2";
  if (name === "tls13") return "TLSv1.3";
  throw invalid(`tls_min_version must be TLSv1_2 or TLSv1_3, found "${text}"`);
}

/** Go's names as OpenSSL writes them: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 is ECDHE-RSA-AES128-GCM-SHA256. */
function opensslCiphers(text: string): string {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
    .map((name) => {
      const [, exchange, cipher = ""] = /^TLS_(ECDHE_RSA|ECDHE_ECDSA|RSA)_WITH_(\w+)$/.exec(name) ?? [];
      if (exchange === undefined) throw invalid(`tls_cipher_suites: "${name}" is not known`);
      const short = cipher
        .replace(/^CHACHA20_POLY1305.*$/, "CHACHA20_POLY1305")
        .replace(/_CBC_/, "_")
        .replace(/^AES_(\d+)/, "AES$1");
      return `${exchange === "RSA" ? "" : `${exchange}_`}${short}`.replaceAll("_", "-");
    })
    .join(":");
}

function mustBeMode(text: string): string {
  if (/^0?[0-7]{3}$/.test(text)) return text;
  throw invalid(`unix_sockets.mode must be octal permissions such as 0770, found "${text}"`);
}

function mustBeHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(headers)) {
    if (/^[\w!#$%&'*+.^`|~-]+$/.test(name) && !/[\p{Cc}]/u.test(value)) continue;
    throw invalid(`http_config.response_headers: "${name}" cannot be a header with the value ${JSON.stringify(value)}`);
  }
  return headers;
}

function readTimeout(text: string | undefined): number {
  if (text === undefined) return defaultHandshakeTimeoutMs;
  const timeoutMs = parseDurationMs(text);
  if (timeoutMs !== undefined && timeoutMs > 0) return timeoutMs;
  throw invalid(`limits.https_handshake_timeout must be a duration such as "5s", found "${text}"`);
}

function invalid(message: string): AtollError {
  return new AtollError("CONFIG_INVALID", message);
}
