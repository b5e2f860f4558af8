// The echo service of go/raw.go and its checks in @grpc/grpc-js on Node.js, as a program of its own.
//   node grpc-js-peer.mjs serve                prints its port as JSON and serves until it is killed
//   node grpc-js-peer.mjs check HOST:PORT      runs every check and prints a JSON line for each
//   node grpc-js-peer.mjs policies HOST:PORT   the same for the checks of policies
import { crc32 } from "node:zlib";
import grpc from "@grpc/grpc-js";
import { Caller, runChecks } from "./grpc-js-caller.mjs";
import { pattern, serve } from "./grpc-js-echo.mjs";
import { PolicyChecker, policyChecks } from "./grpc-js-policies.mjs";

class Checker extends Caller {
  async echoes(request) {
    const { answer } = await this.call("Unary", request);
    if (!answer.equals(request)) throw new Error(`${request.length} bytes came back as ${answer.length} others`);
  }

  async unary() {
    await this.echoes(Buffer.from("hello"));
    await this.echoes(Buffer.alloc(0));
  }

  large() {
    return this.echoes(pattern((4 << 20) - 1024, 3));
  }

  async metadata() {
    const binary = Buffer.from([0, 1, 255, 32, 98]);
    const metadata = new grpc.Metadata();
    metadata.add("x-header", "one");
    metadata.add("x-header", "two");
    metadata.add("x-trailer-bin", binary);
    const { header, trailer } = await this.call("Unary", Buffer.alloc(0), metadata);
    const values = header.get("x-header").join(", ");
    if (values !== "one, two") throw new Error(`the header came back as ${values}`);
    const [value] = trailer.get("x-trailer-bin");
    if (!binary.equals(value ?? Buffer.alloc(0))) throw new Error(`the binary trailer came back as ${value}`);
  }

  async statuses() {
    const message = "näher 100 % 日本\tend";
    for (let code = 1; code <= 16; code++) {
      const metadata = new grpc.Metadata();
      metadata.add("x-status", String(code));
      metadata.add("x-message-bin", Buffer.from(message));
      const problem = await this.call("Unary", Buffer.alloc(0), metadata).then(
        () => ({ code: 0, details: "" }),
        (thrown) => thrown,
      );
      if (problem.code !== code || problem.details !== message)
        throw new Error(`status ${code} came as ${problem.code} ${problem.details}`);
    }
  }

  async clientStream() {
    let [size, sum] = [0, 0];
    const answer = await new Promise((resolve, reject) => {
      const call = this.client.ClientStream(new grpc.Metadata(), this.options, (problem, got) =>
        problem ? reject(problem) : resolve(got),
      );
      for (let i = 0; i < 100; i++) {
        const message = pattern(i * 317, i);
        size += message.length;
        sum = crc32(message, sum);
        call.write(message);
      }
      call.end();
    });
    const want = `100 ${size} ${sum}`;
    if (answer.toString() !== want) throw new Error(`the server saw ${answer} instead of ${want}`);
  }

  async serverStream() {
    const want = pattern(50_000, 0);
    let got = 0;
    for await (const message of this.client.ServerStream(Buffer.from("100 50000"), new grpc.Metadata(), this.options)) {
      if (!want.equals(message)) throw new Error(`message ${got} has ${message.length} wrong bytes`);
      got++;
    }
    if (got !== 100) throw new Error(`${got} messages came instead of 100`);
  }

  async bidi() {
    const call = this.client.Bidi(new grpc.Metadata(), this.options);
    const answers = call[Symbol.asyncIterator]();
    for (let i = 0; i < 50; i++) {
      const message = pattern(i * 101, i);
      call.write(message);
      const { value } = await answers.next();
      if (!message.equals(value)) throw new Error(`message ${i} came back as ${value?.length} other bytes`);
    }
    call.end();
    if (!(await answers.next()).done) throw new Error("a message came after the end");
  }

  deadline() {
    return this.endsEarly(grpc.status.DEADLINE_EXCEEDED, { deadline: Date.now() + 200 }, () => undefined);
  }

  cancellation() {
    return this.endsEarly(grpc.status.CANCELLED, this.options, (call) => setTimeout(() => call.cancel(), 100));
  }

  concurrent() {
    return Promise.all(Array.from({ length: 200 }, (_, i) => this.echoes(pattern(i * 97, i))));
  }
}

/** The names are those of grpc-contract.ts. */
const checks = {
  "answers a call with what was sent, empty too": "unary",
  "carries 4 MB in one message, both ways": "large",
  "carries metadata of the request, header and binary trailer": "metadata",
  "carries every status code with a message in any script": "statuses",
  "streams from the client": "clientStream",
  "streams from the server": "serverStream",
  "streams both ways, message by message, and ends each way by itself": "bidi",
  "ends a call at its deadline, on both ends": "deadline",
  "ends a cancelled call, on both ends": "cancellation",
  "answers 200 calls at once, each with its own": "concurrent",
};

const [role, target] = process.argv.slice(2);
if (role === "serve") serve();
else if (role === "policies") await runChecks(target, PolicyChecker, policyChecks);
else await runChecks(target, Checker, checks);
