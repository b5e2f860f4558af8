import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall } from "@grpc/grpc-js";

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
