import { createServer, type Server as NetServer } from "node:net";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { formatHostPort, type HostPort } from "../../lib/contract/address.ts";
import { bind, shutDown } from "../../lib/grpc/serve.ts";
import { listenError } from "../../lib/http/listen.ts";
import { readTlsOptions, type TlsFiles, type TlsOptions } from "../../lib/http/tls-material.ts";
import { addHealthService } from "./health-service.ts";

/**
 * The gRPC listeners of an agent, Consul's `ports.grpc` and `ports.grpc_tls`: on each of them its health, and on a server
 * what `addServices` adds.
 */
export interface GrpcListenerSpec {
  readonly isTls: boolean;
  /** Port 0: any that is free. */
  readonly at: HostPort;
  /** Nobody asked for it on that port: without it there is a warning only. */
  readonly isOptional: boolean;
}

export interface GrpcSpec {
  readonly listeners: readonly GrpcListenerSpec[];
  /** Without it a TLS listener ends every connection. */
  readonly tls?: TlsFiles;
}

export interface GrpcListenersOptions {
  readonly spec: GrpcSpec;
  readonly runtime: Runtime;
  /** Returns the full names of what it added. */
  readonly addServices?: (server: Server) => readonly string[];
}

export interface GrpcListeners {
  /** As bound. */
  readonly addresses: readonly { readonly isTls: boolean; readonly at: HostPort }[];
  /** Reads the certificate files again for handshakes from now on. Throws `CONFIG_INVALID` and keeps what there was. */
  reload(spec: GrpcSpec): void;
  /** Says to those who watch its health that it ends, and lets calls under way end within `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
}

const maxStreamsPerConnection = 100;
/** Far more than any message of these services has. */
const maxMessageBytes = 1024 * 1024;

/** Rejects with `ADDRESS_IN_USE` or `CONFIG_INVALID`; then nothing is left running. */
export async function openGrpcListeners(options: GrpcListenersOptions): Promise<GrpcListeners> {
  const { spec, addServices } = options;
  const { clock } = options.runtime;
  const logger = options.runtime.logger.child("grpc");
  const server = new Server({
    "grpc.max_concurrent_streams": maxStreamsPerConnection,
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
  });
  const health = addHealthService(server, addServices?.(server) ?? []);
  const tls = spec.tls === undefined ? undefined : new FileCredentials(spec.tls);
  const deaf: NetServer[] = [];
  const addresses: { isTls: boolean; at: HostPort }[] = [];
  const close = async (deadlineMs: number): Promise<void> => {
    health.stopServing();
    for (const listener of deaf) listener.close();
    await shutDown({ server, deadlineMs, clock });
  };
  const open = async ({ isTls, at }: GrpcListenerSpec): Promise<HostPort> => {
    const credentials = isTls ? tls : ServerCredentials.createInsecure();
    if (credentials !== undefined) {
      return { host: at.host, port: await bind(server, at, { credentials, purpose: "for gRPC" }) };
    }
    logger.warn("gRPC over TLS has no certificate and ends every connection: set tls.grpc.cert_file and key_file");
    const opened = await listenDeaf(at);
    deaf.push(opened.listener);
    return opened.address;
  };
  try {
    for (const listener of spec.listeners) {
      const { isTls, isOptional } = listener;
      try {
        const at = await open(listener);
        addresses.push({ isTls, at });
        logger.info("gRPC is up", { address: formatHostPort(at), tls: isTls });
      } catch (thrown) {
        if (!isOptional) throw thrown;
        logger.warn("there is no gRPC", { address: formatHostPort(listener.at), error: errorMessage(thrown) });
      }
    }
  } catch (thrown) {
    await close(0);
    throw thrown;
  }
  return {
    addresses,
    close,
    reload(next) {
      if (next.tls !== undefined) tls?.replace(next.tls);
    },
  };
}

/** Of files. Whether clients need a certificate and the versions of TLS stay as they were at the start. */
class FileCredentials extends ServerCredentials {
  constructor(files: TlsFiles) {
    const { isClientVerified } = files;
    const { minVersion, ...context } = readTlsOptions(files);
    super({ requestCert: isClientVerified, rejectUnauthorized: isClientVerified, minVersion }, context);
  }

  replace(files: TlsFiles): void {
    const { minVersion: _kept, ...context }: TlsOptions = readTlsOptions(files);
    this.updateSecureContextOptions(context);
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

/** A port that is taken and tells nobody anything. */
function listenDeaf(at: HostPort): Promise<{ readonly listener: NetServer; readonly address: HostPort }> {
  const listener = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    listener.once("error", (error) => reject(listenError(at, error, "gRPC over TLS")));
    listener.listen({ host: at.host, port: at.port }, () => {
      const bound = listener.address();
      resolve({
        listener,
        address: { host: at.host, port: typeof bound === "object" && bound !== null ? bound.port : at.port },
      });
    });
  });
}
