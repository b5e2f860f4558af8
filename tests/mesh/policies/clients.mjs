import http from "node:http";
import http2 from "node:http2";
import { createInterface } from "node:readline";

/**
 * Clients of Node.js in a process of their own that send random requests without a pause worth the name, over HTTP/1.1 and HTTP/2, and print a JSON
 * line about each: what was sent, what came, and the changes of policy that may have had a say. `node clients.mjs OPTIONS`, JSON.
 *
 * `begin K` on standard input says that change K may come into force from now on, `end K` that nothing before it is in force any more; each is
 * repeated on standard output when it holds for whatever is sent from then on. So it is certain without a clock which policies a request can have
 * met: from the last change that had ended when it was sent to the last one that had begun when it was answered.
 */
const { ports, seed, host, loops } = JSON.parse(process.argv[2]);
const address = "127.0.0.1";
const timeoutMs = 20_000;
const pauseMs = 2;
const paths = ["/", "/a", "/a/x", "/ab", "/b"];
let begun = 0;
let ended = 0;
let isStopped = false;
let state = seed >>> 0;

/** From 0 to below 1: xorshift. */
function random() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 4294967296;
}

const pick = (list) => list[Math.floor(random() * list.length)];

let requests = 0;

function randomRequest(caller) {
  const draw = random();
  const does = draw < 0.03 ? "slow" : draw < 0.2 ? "flaky" : "";
  return { caller, method: random() < 0.25 ? "POST" : "GET", path: pick(paths), isCanary: random() < 0.4, does };
}

/** What makes a request of it; one that fails once is known by its number. */
function fieldsOf(sent) {
  return {
    ...(sent.isCanary && { "x-canary": "1" }),
    ...(sent.does === "flaky" && { "x-number": `${++requests}` }),
  };
}

const target = ({ path, does }) => (does === "" ? path : `${path}?do=${does}`);

const agents = new Map();

function callHttp1(sent) {
  const { caller, method } = sent;
  if (!agents.has(caller)) agents.set(caller, new http.Agent({ keepAlive: true, maxSockets: loops }));
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: address,
        port: ports[caller],
        path: target(sent),
        method,
        headers: { host, ...fieldsOf(sent), ...(method === "POST" && { "content-length": "4" }) },
        agent: agents.get(caller),
        timeout: timeoutMs,
      },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk) => {
          body += chunk;
        });
        response.on("error", reject);
        response.on("end", () => {
          const { location = "", "x-answered": answered = "" } = response.headers;
          resolve({ status: response.statusCode, location, answered, body });
        });
      },
    );
    request.on("timeout", () => request.destroy(new Error("timeout")));
    request.on("error", reject);
    request.end(method === "POST" ? "body" : undefined);
  });
}

const sessions = new Map();

function sessionOf(caller) {
  const known = sessions.get(caller);
  if (known !== undefined && !known.closed && !known.destroyed) return known;
  const session = http2.connect(`http://${address}:${ports[caller]}`);
  // The requests on it say what failed.
  session.on("error", () => undefined);
  sessions.set(caller, session);
  return session;
}

function callHttp2(sent) {
  const { caller, method } = sent;
  return new Promise((resolve, reject) => {
    const head = { ":path": target(sent), ":method": method, ":authority": host, ...fieldsOf(sent) };
    const stream = sessionOf(caller).request(head, { endStream: method !== "POST" });
    const got = { status: 0, location: "", answered: "", body: "" };
    let hasEnded = false;
    stream.setEncoding("utf8");
    stream.on("response", (fields) => {
      got.status = fields[":status"];
      got.location = fields.location ?? "";
      got.answered = fields["x-answered"] ?? "";
    });
    stream.on("data", (chunk) => {
      got.body += chunk;
    });
    stream.on("end", () => {
      hasEnded = true;
    });
    stream.on("error", reject);
    stream.on("close", () => {
      if (hasEnded && got.status !== 0) resolve(got);
      else reject(new Error(`reset with ${stream.rstCode} after status ${got.status}`));
    });
    stream.setTimeout(timeoutMs, () => stream.destroy(new Error("timeout")));
    if (method === "POST") stream.end("body");
  });
}

async function keepCalling(caller, protocol, call) {
  let sent = randomRequest(caller);
  while (!isStopped) {
    // What a proxy remembers of a head counts only when it comes again.
    if (random() < 0.5) sent = randomRequest(caller);
    const from = ended;
    const startedMs = performance.now();
    let got;
    try {
      got = { ...(await call(sent)), error: "" };
    } catch (error) {
      got = { status: 0, location: "", answered: "", body: "", error: `${error.code ?? ""} ${error.message}` };
    }
    const elapsedMs = performance.now() - startedMs;
    console.log(JSON.stringify({ protocol, sent, from, to: begun, got: { ...got, elapsedMs } }));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

const running = Object.keys(ports).flatMap((caller) =>
  Array.from({ length: loops }, () => [
    keepCalling(caller, "HTTP/1.1", callHttp1),
    keepCalling(caller, "HTTP/2", callHttp2),
  ]).flat(),
);
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const [word, number] = line.split(" ");
  if (word === "begin") begun = Number(number);
  if (word === "end") ended = Number(number);
  console.log(JSON.stringify({ said: line }));
});
lines.on("close", async () => {
  isStopped = true;
  await Promise.all(running);
  process.exit();
});
