// The echo service of go/raw.go in @grpc/grpc-js.
import { crc32 } from "node:zlib";
import grpc from "@grpc/grpc-js";

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
export const service = {
  Unary: method("Unary", false, false),
  Ended: method("Ended", false, false),
  Tries: method("Tries", false, false),
  ClientStream: method("ClientStream", true, false),
  ServerStream: method("ServerStream", false, true),
  Bidi: method("Bidi", true, true),
};
export const options = { "grpc.max_receive_message_length": 16 << 20, "grpc.max_send_message_length": 16 << 20 };

/** The same bytes as the Go program's. */
export function pattern(size, seed) {
  return Buffer.from(Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) + seed * 7) & 0xff));
}

/** Serves until the process is killed, and prints the port as JSON. */
export function serve() {
  let ended = 0;
  const tries = new Map();
  /**
   * What a call asks for by its metadata, as in go/grpc_trouble.go: true when it is not to be answered as usual. `fail` is called with
   * the status to end with.
   */
  const inTrouble = (call, fail) => {
    const name = textOf(call, "x-call");
    if (name === "") return false;
    const count = (tries.get(name) ?? 0) + 1;
    tries.set(name, count);
    if (count <= Number(textOf(call, "x-hang-first"))) {
      call.on("cancelled", () => ended++);
      return true;
    }
    if (count > Number(textOf(call, "x-fail-first"))) return false;
    setTimeout(() => fail(statusOf(call)), Number(textOf(call, "x-delay-ms")));
    return true;
  };
  const server = new grpc.Server(options);
  server.addService(service, {
    Unary(call, answer) {
      if (inTrouble(call, answer)) return;
      const asked = call.metadata;
      if (asked.get("x-hang").length > 0) return void call.on("cancelled", () => ended++);
      const header = new grpc.Metadata();
      for (const value of asked.get("x-header")) header.add("x-header", value);
      call.sendMetadata(header);
      const trailer = new grpc.Metadata();
      for (const value of asked.get("x-trailer-bin")) trailer.add("x-trailer-bin", value);
      const status = statusOf(call);
      if (status.code === 0 || textOf(call, "x-call") !== "") return answer(null, call.request, trailer);
      answer({ ...status, metadata: trailer });
    },
    Ended: (_call, answer) => answer(null, Buffer.from(String(ended))),
    Tries: (call, answer) => answer(null, Buffer.from(String(tries.get(call.request.toString()) ?? 0))),
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
      if (inTrouble(call, (status) => call.emit("error", status))) return;
      const breakAfter = textOf(call, "x-break-after");
      const [count, size] = call.request.toString().split(" ").map(Number);
      const message = pattern(size, 0);
      for (let i = 0; i < count; i++) {
        if (breakAfter !== "" && i === Number(breakAfter)) return void call.emit("error", statusOf(call));
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

/** The first value of a key of the request's metadata. */
function textOf(call, key) {
  return String(call.metadata.get(key)[0] ?? "");
}

function statusOf(call) {
  return { code: Number(textOf(call, "x-status")), details: textOf(call, "x-message-bin") };
}
