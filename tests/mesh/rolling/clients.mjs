import http from "node:http";
import http2 from "node:http2";
import net from "node:net";

/**
 * Clients of Node.js in a process of their own that call without a pause. They repeat no call but one that HTTP/2 itself says
 * nobody has acted on (REFUSED_STREAM, RFC 9113 section 8.7), and that once: Node's own library refuses so, unsent, what is called
 * between the arrival of a GOAWAY and its event. `node clients.mjs HTTP-PORT TCP-PORT`
 * prints, ten times a second, a JSON line with what each kind has sent and what failed; it ends with its standard input.
 */
const [httpPort, tcpPort] = process.argv.slice(2).map(Number);
const host = "127.0.0.1";
const timeoutMs = 5_000;
const perKind = 4;
let isStopped = false;

const agent = new http.Agent({ keepAlive: true, maxSockets: perKind });

function callHttp1(options) {
  return new Promise((resolve, reject) => {
    const request = http.get({ host, port: httpPort, path: "/", timeout: timeoutMs, ...options }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("error", reject);
      response.on("end", () =>
        response.statusCode === 200 && body === "ok" ? resolve() : reject(new Error(`${response.statusCode} ${body}`)),
      );
    });
    request.on("timeout", () => request.destroy(new Error("timeout")));
    request.on("error", reject);
  });
}

let session;
function http2Session() {
  if (session !== undefined && !session.closed && !session.destroyed) return session;
  session = http2.connect(`http://${host}:${httpPort}`);
  // The requests on it say what failed.
  session.on("error", () => undefined);
  return session;
}

async function callHttp2() {
  try {
    await callHttp2Once();
  } catch (error) {
    if (!error.message.includes("NGHTTP2_REFUSED_STREAM")) throw error;
    await callHttp2Once();
  }
}

function callHttp2Once() {
  return new Promise((resolve, reject) => {
    const stream = http2Session().request({ ":path": "/" });
    let body = "";
    let status = 0;
    stream.on("response", (head) => {
      status = head[":status"];
    });
    stream.on("data", (chunk) => {
      body += chunk;
    });
    stream.on("error", reject);
    stream.on("close", () =>
      status === 200 && body === "ok" ? resolve() : reject(new Error(`${status} ${body} reset ${stream.rstCode}`)),
    );
    stream.setTimeout(timeoutMs, () => stream.destroy(new Error("timeout")));
  });
}

/** One connection, one echo, both ends close. */
function callTcp() {
  return new Promise((resolve, reject) => {
    const socket = net.connect(tcpPort, host, () => socket.end("ping"));
    let body = "";
    socket.on("data", (chunk) => {
      body += chunk;
    });
    socket.on("error", reject);
    socket.on("end", () => (body === "ping" ? resolve() : reject(new Error(`echo of "${body}"`))));
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error("timeout")));
  });
}

const kinds = {
  "http1 keep-alive": () => callHttp1({ agent }),
  "http1 short": () => callHttp1({ agent: false }),
  http2: callHttp2,
  "tcp short": callTcp,
};
const tallies = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, { sent: 0, failed: 0, reasons: {} }]));

async function keepCalling(call, tally) {
  while (!isStopped) {
    try {
      await call();
    } catch (error) {
      tally.failed++;
      const reason = `${error.code ?? ""} ${error.message}`;
      tally.reasons[reason] = (tally.reasons[reason] ?? 0) + 1;
    }
    tally.sent++;
  }
}

const loops = Object.entries(kinds).flatMap(([kind, call]) =>
  Array.from({ length: perKind }, () => keepCalling(call, tallies[kind])),
);
const print = () => console.log(JSON.stringify(tallies));
const timer = setInterval(print, 100);
process.stdin.resume();
process.stdin.on("end", async () => {
  isStopped = true;
  await Promise.all(loops);
  clearInterval(timer);
  print();
  process.exit();
});
