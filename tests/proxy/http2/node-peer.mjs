// An independent HTTP/2 implementation (nghttp2 inside Node.js) as a program of its own, so that it shares no code with ours.
//   node node-peer.mjs server               prints its port; answers with the request's headers and body as JSON
//   node node-peer.mjs client PORT COUNT SEED   sends COUNT requests with headers made from SEED, prints "ok" or what differs
import http2 from "node:http2";

const [role, port, count, seed] = process.argv.slice(2);

function textOf(i, length) {
  let text = "";
  let state = (i * 2654435761) >>> 0;
  for (let k = 0; k < length; k++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    text += String.fromCharCode(33 + ((state >>> 16) % 94));
  }
  return text;
}

if (role === "server") {
  const server = http2.createServer({ settings: { headerTableSize: 256 } });
  server.on("stream", (stream, headers, _flags, raw) => {
    const chunks = [];
    stream.on("data", (chunk) => chunks.push(chunk));
    stream.on("end", () => {
      const body = Buffer.concat(chunks).toString("latin1");
      stream.respond(
        { ":status": 200, "x-echo": String(headers["x-value"] ?? ""), "set-cookie": ["a=1", "b=2"] },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-length": String(body.length) }));
      stream.end(JSON.stringify({ raw, body }));
    });
    stream.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
  process.stdin.on("end", () => process.exit()).resume();
} else {
  const client = http2.connect(`http://127.0.0.1:${port}`);
  let left = Number(count);
  const fail = (text) => {
    process.stdout.write(`${text}\n`);
    process.exit(1);
  };
  client.on("error", (error) => fail(`connection: ${error.message}`));
  const one = (i) => {
    const value = textOf(i + Number(seed), i % 7 === 0 ? 900 : i % 40);
    const body = textOf(i, (i * 37) % 20_000);
    const stream = client.request({
      ":method": "POST",
      ":path": "/echo",
      "x-same": "same",
      "x-value": value,
      cookie: ["a=1", "b=2"],
    });
    let got = "";
    stream.setEncoding("latin1");
    stream.on("data", (chunk) => (got += chunk));
    stream.on("error", (error) => fail(`request ${i}: ${error.message}`));
    stream.on("end", () => {
      if (got !== body) fail(`request ${i}: the body came back different`);
      if (--left === 0) {
        process.stdout.write("ok\n");
        client.close();
      }
    });
    stream.end(body, "latin1");
  };
  for (let i = 0; i < Number(count); i++) one(i);
}
