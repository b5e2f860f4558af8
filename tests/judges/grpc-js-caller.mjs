import { setTimeout as sleep } from "node:timers/promises";
import grpc from "@grpc/grpc-js";
import { options, service } from "./grpc-js-echo.mjs";

const checkTimeoutMs = 10_000;

/** Calls the echo service for one check. */
export class Caller {
  constructor(client) {
    this.client = client;
    this.options = { deadline: Date.now() + checkTimeoutMs };
  }

  /** The answer with header and trailer, or the error of the call. */
  call(name, request, metadata = new grpc.Metadata(), callOptions = this.options, onCall = () => undefined) {
    return new Promise((resolve, reject) => {
      const seen = {};
      const call = this.client[name](request, metadata, callOptions, (problem, answer) =>
        problem ? reject(problem) : setImmediate(() => resolve({ ...seen, answer })),
      );
      call.on("metadata", (header) => (seen.header = header));
      call.on("status", (status) => (seen.trailer = status.metadata));
      onCall(call);
    });
  }

  /** Makes a call that hangs and wants its code here and one more ended call there. */
  async endsEarly(code, callOptions, onCall = () => undefined, metadata = new grpc.Metadata()) {
    const ended = async () => String((await this.call("Ended", Buffer.alloc(0))).answer);
    const before = await ended();
    metadata.add("x-hang", "yes");
    const problem = await this.call("Unary", Buffer.alloc(0), metadata, callOptions, onCall).then(
      () => ({ code: 0 }),
      (thrown) => thrown,
    );
    if (problem.code !== code) throw new Error(`the call ended with ${problem.code} ${problem.details}`);
    while ((await ended()) === before) await sleep(10);
  }
}

/** Runs every check, of which each is a method of `Checker`, and prints a line for each; who reads them judges. */
export async function runChecks(target, Checker, checks) {
  const Client = grpc.makeGenericClientConstructor(service, "Echo");
  const client = new Client(target, grpc.credentials.createInsecure(), options);
  for (const [name, run] of Object.entries(checks)) {
    const problem = await new Checker(client)[run]().then(
      () => "",
      (thrown) => String(thrown.message ?? thrown),
    );
    console.log(JSON.stringify({ check: name, problem }));
  }
  client.close();
}
