// The app behind the sidecars for the judges of HTTP, on Node.js and so on llhttp and nghttp2: the same answers over
// HTTP/1.1 and over cleartext HTTP/2.
//   node http-app.mjs http1|http2     prints its port as JSON and serves until it is killed
// `/echo` gives the body back, `/bytes/N` N bytes, `/status/N` an empty answer, `/trailers` ends with trailers, `/hints` says 103
// first, `/method` names the method, everything else says hello. Who asks is answered when it has said all: an early
// answer ends the stream, and then a mistake in the rest of the request is no mistake any more.
import http from "node:http";
import http2 from "node:http2";

function onRequest(request, response) {
  const [, kind, value] = request.url.split("/");
  request.on("error", () => undefined);
  if (kind === "echo") return void request.pipe(response);
  request.on("end", () => answer(request, response, kind, value));
  request.resume();
}

function answer(request, response, kind, value) {
  if (kind === "status") {
    response.statusCode = Number(value);
    response.setHeader("etag", '"1"');
    return void response.end();
  }
  if (kind === "trailers") {
    response.setHeader("trailer", "x-checksum");
    response.write("hello\n");
    response.addTrailers({ "x-checksum": "abc" });
    return void response.end();
  }
  if (kind === "hints") response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
  const text = { bytes: "x".repeat(Number(value)), method: `${request.method}\n` }[kind] ?? "hello\n";
  response.setHeader("content-type", "text/plain");
  response.setHeader("content-length", text.length);
  response.end(text);
}

const server = process.argv[2] === "http2" ? http2.createServer(onRequest) : http.createServer(onRequest);
server.keepAliveTimeout = 60_000;
server.on("sessionError", () => undefined);
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
