/** What a gRPC client checks through the pair; `go/grpc_check.go` and `grpc-js-peer.mjs` have each of them by this name. */
export const grpcChecks = [
  "answers a call with what was sent, empty too",
  "carries 4 MB in one message, both ways",
  "carries metadata of the request, header and binary trailer",
  "carries every status code with a message in any script",
  "streams from the client",
  "streams from the server",
  "streams both ways, message by message, and ends each way by itself",
  "ends a call at its deadline, on both ends",
  "ends a cancelled call, on both ends",
  "answers 200 calls at once, each with its own",
] as const;

/** The problem of each check, empty where there was none, from the JSON lines of a checking client. */
export function readProblems(output: string): ReadonlyMap<string, string> {
  const lines = output.split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => {
      const { check, problem }: { check: string; problem: string } = JSON.parse(line);
      return [check, problem] as const;
    }),
  );
}
