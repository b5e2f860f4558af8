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

/**
 * What it checks of a call under the policies of `grpc-policies.test.ts`; `go/grpc_policies.go` and `grpc-js-policies.mjs` have each of
 * them by this name.
 */
export const grpcPolicyChecks = [
  "is tried again while the server is unavailable, exhausted or cancels",
  "is told a status that is not to be tried again, after one try",
  "is told the last status when every try has failed",
  "is not tried again beyond the budget",
  "is not tried again with a message longer than what is kept of it",
  "is tried again when a try has had its time",
  "is told when the last try has had its time",
  "ends at its own deadline before the time of its route, on both ends",
  "ends at the time of its route before its own deadline, on both ends",
  "hears of a destination without endpoints that it is unavailable",
  "hears of a denial that it has no permission",
  "hears of no route that nobody implements it",
  "hears of a limit that is spent that it is unavailable",
  "as a stream is tried again when it fails before its first message",
  "as a stream is not tried again when it fails after its first message",
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
