import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall } from "@grpc/grpc-js";
import { type TestAuthority, writeLeaf } from "../../fakes/certificates.ts";
import { startProxy } from "../transport/bun-mesh.ts";

export type UnaryHandler = (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => void;

/** A server of grpc-js on a free port, with one unary method whose messages are bytes. */
export async function startGrpcServer(
  path: string,
  handler: UnaryHandler,
): Promise<{ port: number; stop: () => void }> {
  const server = new Server();
  const asIs = (value: Buffer): Buffer => value;
  const method = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  } as const;
  server.addService({ Method: method }, { Method: handler });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, chosen) =>
      error === null ? resolve(chosen) : reject(error),
    ),
  );
  return { port, stop: () => server.forceShutdown() };
}

/** The proxy before a server of gRPC, as service `api`, which anybody may call; certificates go below `directory`. */
export function startGrpcCallee(
  port: number,
  { authority, directory }: { readonly authority: TestAuthority; readonly directory: string },
): { readonly address: string; stop(): void } {
  const { proxy, stop } = startProxy({
    identity: writeLeaf(authority.leaf("api"), mkdtempSync(join(directory, "leaf-"))),
    inbound: [
      {
        service: "api",
        listen: "127.0.0.1:0",
        app: `127.0.0.1:${port}`,
        protocol: "grpc",
        intentions: { default: "allow", rules: [] },
      },
    ],
    admin: { listen: "127.0.0.1:0" },
  });
  return { address: `127.0.0.1:${proxy.portOf("127.0.0.1:0")}`, stop };
}
