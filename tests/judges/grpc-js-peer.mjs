// The echo service of go/raw.go and its checks in @grpc/grpc-js on Node.js, as a program of its own.
//   node grpc-js-peer.mjs serve             prints its port as JSON and serves until it is killed
//   node grpc-js-peer.mjs check HOST:PORT   runs every check and prints a JSON line for each
import { setTimeout as sleep } from "node:timers/promises";
import { crc32 } from "node:zlib";
import grpc from "@grpc/grpc-js";

const checkTimeoutMs = 10_000;
const bytes = (value) => value;
const method = (name, requestStream, responseStream) => ({
  path: `/atoll.judge.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});
const service = {
  Unary: method("Unary", false, false),
  Ended: method("Ended", false, false),
  ClientStream: method("ClientStream", true, false),
  ServerStream: method("ServerStream", false, true),
  Bidi: method("Bidi", true, true),
};
const options = { "grpc.max_receive_message_length": 16 << 20, "grpc.max_send_message_length": 16 << 20 };

/** The same bytes as the Go program's. */
function pattern(size, seed) {
  return Buffer.from(Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) + seed * 7) & 0xff));
}

function serve() {
  let ended = 0;
  const server = new grpc.Server(options);
  server.addService(service, {
    Unary(call, answer) {
      const asked = call.metadata;
      if (asked.get("x-hang").length > 0) return void call.on("cancelled", () => ended++);
      const header = new grpc.Metadata();
      for (const value of asked.get("x-header")) header.add("x-header", value);
      call.sendMetadata(header);
      const trailer = new grpc.Metadata();
      for (const value of asked.get("x-trailer-bin")) trailer.add("x-trailer-bin", value);
      const code = Number(asked.get("x-status")[0] ?? 0);
      if (code === 0) return answer(null, call.request, trailer);
      answer({ code, details: asked.get("x-message-bin")[0]?.toString() ?? "", metadata: trailer });
    },
    Ended: (_call, answer) => answer(null, Buffer.from(String(ended))),
    ClientStream(call, answer) {
      let [count, size, sum] = [0, 0, 0];
      call.on("data", (message) => {
        count++;
        size += message.length;
        sum = crc32(message, sum);
      });
      call.on("cancelled", () => ended++);
      call.on("end", () => answer(null, Buffer.from(`${count} ${size} ${sum}`)));
    },
    async ServerStream(call) {
      const [count, size] = call.request.toString().split(" ").map(Number);
      const message = pattern(size, 0);
      for (let i = 0; i < count; i++) {
        if (!call.write(message)) await new Promise((resolve) => call.once("drain", resolve));
      }
      call.end();
    },
    Bidi(call) {
      call.on("data", (message) => call.write(message));
      call.on("end", () => call.end());
    },
  });
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (problem, port) => {
    if (problem) throw problem;
    console.log(JSON.stringify({ port }));
  });
}

class Checker {
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

  async endsEarly(code, callOptions, onCall) {
    const ended = async () => String((await this.call("Ended", Buffer.alloc(0))).answer);
    const before = await ended();
    const metadata = new grpc.Metadata();
    metadata.add("x-hang", "yes");
    const problem = await this.call("Unary", Buffer.alloc(0), metadata, callOptions, onCall).then(
      () => ({ code: 0 }),
      (thrown) => thrown,
    );
    if (problem.code !== code) throw new Error(`the call ended with ${problem.code} ${problem.details}`);
    while ((await ended()) === before) await sleep(10);
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

async function check(target) {
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

const [role, target] = process.argv.slice(2);
if (role === "serve") serve();
else await check(target);
