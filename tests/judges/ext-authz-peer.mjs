// Both sides of a proxy with external authorization, on Node.js:
//   node ext-authz-peer.mjs grpc              an authorizer in @grpc/grpc-js, read and written by protobufjs
//   node ext-authz-peer.mjs http              one over HTTP
//   node ext-authz-peer.mjs app               an app that says what it was asked, as JSON
//   node ext-authz-peer.mjs load PORT N       N requests at once, whose check says `gather`; prints how they were answered
// The first three print their port as JSON and serve until they are killed. What an authorizer does is in the field `x-authz` of
// the request that it is asked about.
import http from "node:http";
import http2 from "node:http2";
import { join } from "node:path";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const [, , mode, ...rest] = process.argv;
const stats = { calls: 0, cancelled: 0 };
const gathered = [];

/** Answers nobody before there are as many as were to come at once. */
function gather(count, answer) {
  gathered.push(answer);
  if (gathered.length >= count) for (const one of gathered.splice(0)) one();
}

function listening(server) {
  server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
}

const option = (key, value, more = {}) => ({ header: { key, value }, ...more });
const evil = [option("content-length", "0"), option("x-forwarded-client-cert", "URI=evil"), option(":path", "/evil")];

function grpcAnswer(behaviour, { attributes }) {
  const { http: asked } = attributes.request;
  switch (behaviour) {
    case "allow":
      return {
        status: { code: 0 },
        okResponse: {
          headers: [
            option("x-user", attributes.source.principal),
            option("x-tag", "b", { append: { value: true } }),
            ...evil,
          ],
          headersToRemove: ["x-secret", "host"],
          responseHeadersToAdd: [option("set-cookie", "seen=1"), option("set-cookie", "twice=2")],
          queryParametersToSet: [{ key: "user", value: "a&b" }],
          queryParametersToRemove: ["token"],
        },
      };
    case "deny":
      return {
        status: { code: 16, message: "no" },
        deniedResponse: {
          status: { code: 401 },
          headers: [option("www-authenticate", "Bearer"), option("content-type", "application/json"), evil[0]],
          body: JSON.stringify({ ...attributes, http: asked }),
        },
      };
    case "stats":
      return { status: { code: 7 }, deniedResponse: { status: { code: 403 }, body: JSON.stringify(stats) } };
    case "split":
      return { status: { code: 0 }, okResponse: { headers: [option("x-a", "1\r\nx-b: 2")] } };
    case "action":
      return Buffer.from([0x1a, 0x06, 0x12, 0x04, 0x18, 0x09, 0x0a, 0x00]);
    case "garbage":
      return Buffer.from([0xff, 0xff, 0xff, 0xff]);
    case "bare":
      return { status: { code: 7 } };
    default:
      return { status: { code: 0 } };
  }
}

function serveGrpc() {
  const definition = loader.loadSync(join(import.meta.dirname, "ext-authz.proto"), { longs: Number, enums: String });
  const { Check } = definition["envoy.service.auth.v3.Authorization"];
  const responseSerialize = (value) => (Buffer.isBuffer(value) ? value : Check.responseSerialize(value));
  const server = new grpc.Server();
  server.addService(
    { Check: { ...Check, responseSerialize } },
    {
      Check(call, answer) {
        const behaviour = call.request.attributes.request.http.headers["x-authz"] ?? "allow";
        if (behaviour !== "stats") stats.calls++;
        if (behaviour === "slow") return void call.on("cancelled", () => stats.cancelled++);
        if (behaviour === "error") return answer({ code: 14, details: "not now" });
        if (behaviour.startsWith("gather ")) return gather(Number(behaviour.slice(7)), () => answer(null, {}));
        answer(null, grpcAnswer(behaviour, call.request));
      },
    },
  );
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (problem, port) => {
    if (problem) throw problem;
    console.log(JSON.stringify({ port }));
  });
}

function serveHttp() {
  const server = http.createServer((request, response) => {
    const behaviour = request.headers["x-authz"] ?? "allow";
    if (behaviour !== "stats") stats.calls++;
    request.on("close", () => {
      if (behaviour === "slow" && !response.writableEnded) stats.cancelled++;
    });
    if (behaviour === "slow") return;
    if (behaviour === "error") return void response.writeHead(503).end("not now");
    if (behaviour === "garbage") return void request.socket.end("what?\r\n\r\n");
    if (behaviour.startsWith("gather ")) return gather(Number(behaviour.slice(7)), () => response.end());
    if (behaviour === "stats") return void response.writeHead(403).end(JSON.stringify(stats));
    if (behaviour === "deny") {
      response.writeHead(401, { "www-authenticate": "Bearer", "content-type": "application/json", "x-internal": "1" });
      return void response.end(JSON.stringify({ method: request.method, path: request.url, headers: request.headers }));
    }
    response.writeHead(200, {
      "x-user": "alice",
      "x-tag": "b",
      "x-internal": "1",
      "set-cookie": ["seen=1", "twice=2"],
      "x-envoy-auth-headers-to-remove": "x-secret, host",
    });
    response.end("as you wish");
  });
  server.keepAliveTimeout = 60_000;
  listening(server);
}

function serveApp() {
  const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { method, url, rawHeaders } = request;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method, url, rawHeaders, body }));
  });
  server.keepAliveTimeout = 60_000;
  listening(server);
}

/** Over HTTP/2, since this many connections of one client would be an attack. */
async function load(port, count) {
  const perSession = 50;
  const sessions = Array.from({ length: Math.ceil(count / perSession) }, () =>
    http2.connect(`http://127.0.0.1:${port}`),
  );
  const ask = (session) =>
    new Promise((resolve) => {
      const stream = session.request({ ":path": "/load", "x-authz": `gather ${count}` });
      let status = 0;
      stream.on("response", (headers) => (status = headers[":status"]));
      stream.on("error", () => resolve(0));
      stream.on("close", () => resolve(status));
      stream.resume();
      stream.end();
    });
  const statuses = await Promise.all(Array.from({ length: count }, (_, i) => ask(sessions[i % sessions.length])));
  const answers = {};
  for (const status of statuses) answers[status] = (answers[status] ?? 0) + 1;
  console.log(JSON.stringify(answers));
  for (const session of sessions) session.close();
}

if (mode === "grpc") serveGrpc();
else if (mode === "http") serveHttp();
else if (mode === "app") serveApp();
else await load(Number(rest[0]), Number(rest[1]));
