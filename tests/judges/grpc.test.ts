import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { grpcChecks, readProblems } from "./grpc-contract.ts";
import { grpcPeers as peers } from "./grpc-peers.ts";
import { runProgram, type Server, startServer } from "./programs.ts";
import { type ProxyPair, startProxyPair } from "./proxy-pair.ts";

/** grpc-go and grpc-js as client and as server, in processes of their own, through two real proxies. */
for (const server of peers) {
  describe.skipIf(server.program.isMissing)(`a gRPC server in ${server.name}${server.program.note}`, () => {
    let app: Server;
    let pair: ProxyPair;
    beforeAll(async () => {
      app = await startServer(server.serve);
      pair = await startProxyPair("grpc", app.port);
    });
    afterAll(async () => {
      await pair.stop();
      await app.stop();
    });

    for (const client of peers) {
      describe.skipIf(client.program.isMissing)(`and a client in ${client.name}${client.program.note}`, () => {
        let problems: ReadonlyMap<string, string>;
        beforeAll(async () => {
          const { code, stdout, stderr } = await runProgram(client.check(`127.0.0.1:${pair.listen}`), {
            timeoutMs: 120_000,
          });
          problems = readProblems(stdout);
          expect([code, stderr]).toEqual([0, ""]);
        }, 130_000);

        test.each([...grpcChecks])("%s", (check) => {
          expect(problems.get(check)).toBe("");
        });

        test("checks nothing else", () => {
          expect([...problems.keys()].sort()).toEqual([...grpcChecks].sort());
        });
      });
    }
  });
}
