import { isIP } from "node:net";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { GrpcListenerSpec, GrpcSpec } from "../grpc/grpc-listeners.ts";
import { resolveTls } from "./edge-options.ts";
import type { GrpcSettings } from "./edge-settings.ts";
import { mustBePort, noPort } from "./port.ts";

export interface GrpcContext {
  readonly clientAddresses: readonly string[];
  readonly isDev: boolean;
  readonly isServer: boolean;
  /** As a person set it. */
  readonly httpPort: number | undefined;
  readonly workingDir: string;
}

const defaultPort = 8502;
const defaultTlsPort = 8503;

/**
 * The listeners of gRPC with Consul's defaults: plain with -dev only, TLS on servers, here where there is a certificate for
 * it. Throws `CONFIG_INVALID` that names the key, the value and the fix.
 */
export function resolveGrpc(settings: GrpcSettings, context: GrpcContext): GrpcSpec {
  const { isDev, isServer, httpPort, workingDir } = context;
  // Who lets the system choose the one port has no use for a fixed other one.
  const portOfDev = httpPort === 0 ? 0 : defaultPort;
  const port = mustBePort("ports.grpc", settings.port ?? (isDev ? portOfDev : noPort), noPort);
  const hasTls = isServer && !isDev && Boolean(settings.certFile && settings.keyFile);
  const tlsPort = mustBePort("ports.grpc_tls", settings.tlsPort ?? (hasTls ? defaultTlsPort : noPort), noPort);
  const tls = tlsPort === noPort ? undefined : resolveTls("tls.grpc", settings, workingDir);
  const listeners = [
    ...at("addresses.grpc", settings.addresses, context, {
      isTls: false,
      port,
      isOptional: settings.port === undefined,
    }),
    ...at("addresses.grpc_tls", settings.tlsAddresses, context, {
      isTls: true,
      port: tlsPort,
      isOptional: settings.tlsPort === undefined,
    }),
  ];
  return { listeners, ...(tls !== undefined && { tls }) };
}

function at(
  key: string,
  text: string | undefined,
  { clientAddresses }: GrpcContext,
  { isTls, port, isOptional }: { readonly isTls: boolean; readonly port: number; readonly isOptional: boolean },
): readonly GrpcListenerSpec[] {
  const written = (text ?? "").split(/\s+/).filter((place) => place !== "");
  if (port === noPort) return [];
  return [...new Set(written.length > 0 ? written : clientAddresses)].map((host) => {
    if (isIP(host) === 0) throw invalid(`${key} must be IP addresses, found "${host}"`);
    return { isTls, at: { host, port }, isOptional };
  });
}

function invalid(message: string): AtollError {
  return new AtollError("CONFIG_INVALID", message);
}
