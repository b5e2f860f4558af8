/** One gRPC connection over mTLS to one server address. */
import {
  Client,
  connectivityState,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import type { Clock } from "../base/clock.ts";
import { AtollError } from "../contract/error-codes.ts";
import { rpcServerName } from "../contract/spiffe.ts";
import { fromServiceError } from "./rpc-errors.ts";

/** Values of topics grow with the number of instances: about 1 KB each. */
export const maxMessageBytes = 64 * 1024 * 1024;

/** Who is called, and as whom. Without a certificate only `Enroll` is answered. */
export interface ChannelCredentials {
  readonly rootsPem: string;
  readonly trustDomain: string;
  readonly datacenter: string;
  readonly certificate?: { readonly certPem: string; readonly privateKeyPem: string };
}

/** A client that connects on the first call; nothing is read from the environment, proxies included. */
export function createGrpcClient(address: string, identity: ChannelCredentials): Client {
  const serverName = rpcServerName(identity);
  const { certificate } = identity;
  const ssl = credentials.createSsl(
    Buffer.from(identity.rootsPem),
    certificate === undefined ? null : Buffer.from(certificate.privateKeyPem),
    certificate === undefined ? null : Buffer.from(certificate.certPem),
  );
  return new Client(address, ssl, {
    "grpc.ssl_target_name_override": serverName,
    "grpc.default_authority": serverName,
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes,
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.enable_http_proxy": 0,
    "grpc.enable_retries": 0,
    // A server behind a name may have moved: the name is looked up again at every attempt to connect.
    "grpc.dns_min_time_between_resolutions_ms": 1_000,
    // A shared pool would go on with the connections of an older certificate.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.service_config_disable_resolution": 1,
  });
}

export interface ConnectOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Whether the connection stands within the time: TCP, TLS and the server's name verified. */
export async function isReady(client: Client, options: ConnectOptions): Promise<boolean> {
  const channel = client.getChannel();
  const deadline = options.clock.nowMs() + options.timeoutMs;
  while (!options.signal.aborted) {
    const state = channel.getConnectivityState(true);
    if (state === connectivityState.READY) return true;
    if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN) return false;
    const isTimely = await new Promise<boolean>((resolve) => {
      const abort = (): void => resolve(false);
      options.signal.addEventListener("abort", abort, { once: true });
      channel.watchConnectivityState(state, deadline, (error) => {
        options.signal.removeEventListener("abort", abort);
        resolve(error === undefined);
      });
    });
    if (!isTimely) return false;
  }
  return false;
}

export interface UnaryCall<Request, Response> {
  readonly client: Client;
  readonly address: string;
  readonly method: MethodDefinition<Request, Response>;
  readonly request: Request;
  readonly isWrite: boolean;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** One call and its answer. Rejects with an {@link AtollError}; aborting `signal` cancels the call on both sides. */
export function callUnary<Request, Response>(call: UnaryCall<Request, Response>): Promise<Response> {
  const { method } = call;
  const context = {
    method: method.path.split("/").at(-1) ?? method.path,
    address: call.address,
    isWrite: call.isWrite,
  };
  return new Promise((resolve, reject) => {
    if (call.signal.aborted) {
      reject(new AtollError("UNAVAILABLE", `${context.method} was cancelled before it was sent`));
      return;
    }
    const cancel = (): void => running.cancel();
    const finish = (error: ServiceError | null, response?: Response): void => {
      call.signal.removeEventListener("abort", cancel);
      if (error !== null) reject(fromServiceError(error, context));
      else if (response === undefined) reject(new AtollError("INTERNAL", `${context.method} came back empty`));
      else resolve(response);
    };
    const options = { deadline: call.clock.nowMs() + call.timeoutMs };
    const running = call.client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      call.request,
      new Metadata(),
      options,
      finish,
    );
    call.signal.addEventListener("abort", cancel, { once: true });
  });
}
