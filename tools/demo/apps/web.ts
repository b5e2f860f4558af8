/**
 * The front of the demo: asks api through its sidecar and passes on what it got, good or bad. Arguments: folder, own
 * address, address of api.
 */
import { createServer, get } from "node:http";
import { parseHostPort } from "../../../lib/contract/address.ts";

const [, , , listenText = "", apiText = ""] = process.argv;
const listen = parseHostPort(listenText);
const api = parseHostPort(apiText);
if (listen === undefined || api === undefined) throw new Error("usage: web.ts FOLDER HOST:PORT API_HOST:PORT");
const apiTimeoutMs = 5_000;

createServer((request, response) => {
  if (request.url === "/health") {
    response.end("healthy\n");
    return;
  }
  const send = (apiStatus: number, apiAnswer: string): void => {
    response.writeHead(apiStatus === 200 ? 200 : 502, { "content-type": "application/json" });
    response.end(`${JSON.stringify({ service: "web", process: process.pid, apiStatus, apiAnswer })}\n`);
  };
  const call = get({ ...api, path: "/", headers: { host: "api" }, timeout: apiTimeoutMs }, (answer) => {
    let text = "";
    answer.on("data", (chunk) => {
      text += String(chunk);
    });
    answer.on("end", () => send(answer.statusCode ?? 0, text.trimEnd()));
    answer.on("error", (error) => send(0, error.message));
  });
  call.on("timeout", () => call.destroy(new Error(`no answer within ${apiTimeoutMs} ms`)));
  call.on("error", (error) => send(0, error.message));
}).listen(listen.port, listen.host, () => console.log(`web listens on ${listenText}`));
