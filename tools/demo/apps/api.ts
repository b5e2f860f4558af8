/**
 * The middle service of the demo: HTTP in, TCP out to the database through its sidecar. It answers with who it is, who
 * its sidecar says is calling, and what the database said. Arguments: folder, instance name, own address, address of db.
 */
import { createServer } from "node:http";
import { connect } from "node:net";
import { type HostPort, parseHostPort } from "../../../lib/contract/address.ts";

const [, , , instance = "", listenText = "", dbText = ""] = process.argv;
const listen = parseHostPort(listenText);
const db = parseHostPort(dbText);
if (listen === undefined || db === undefined) throw new Error("usage: api.ts FOLDER INSTANCE HOST:PORT DB_HOST:PORT");
const dbTimeoutMs = 3_000;

createServer((request, response) => {
  if (request.url === "/health") {
    response.end("healthy\n");
    return;
  }
  askDatabase(db, "greeting").then(
    (answer) => send(200, { database: answer }),
    (error: Error) => send(503, { error: `db: ${error.message}` }),
  );
  function send(status: number, result: Readonly<Record<string, string>>): void {
    const caller = request.headers["x-forwarded-client-cert"] ?? null;
    response.writeHead(status, { "content-type": "application/json" });
    response.end(`${JSON.stringify({ service: "api", instance, process: process.pid, caller, ...result })}\n`);
  }
}).listen(listen.port, listen.host, () => console.log(`${instance} listens on ${listenText}`));

function askDatabase(address: HostPort, key: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(address.port, address.host, () => socket.write(`get ${key}\n`));
    let answer = "";
    socket.setTimeout(dbTimeoutMs, () => socket.destroy(new Error(`no answer within ${dbTimeoutMs} ms`)));
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
      if (answer.includes("\n")) socket.end();
    });
    socket.on("close", () => {
      if (answer.endsWith("\n")) resolve(answer.trimEnd());
      else reject(new Error("the connection was closed without an answer"));
    });
  });
}
