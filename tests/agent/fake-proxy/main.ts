import { appendFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { createLineReader } from "../../../lib/base/line-reader.ts";

/**
 * Stands for `atoll proxy --agent-socket PATH --id ID`: the same arguments and the same protocol, without serving
 * anything. How it misbehaves is said by environment variables.
 */
const args = process.argv.slice(process.argv.indexOf("proxy"));
const argument = (flag: string): string => args[args.indexOf(flag) + 1] ?? "";
const socketPath = argument("--agent-socket");
const proxyId = argument("--id");
const isDeaf = process.env["FAKE_PROXY_DEAF"] === "1";
const isMute = process.env["FAKE_PROXY_MUTE"] === "1";
const revision = process.env["FAKE_PROXY_REVISION"];
const rejectUntil = Number(process.env["FAKE_PROXY_REJECT_UNTIL"] ?? "0");

process.stdout.write(`fake proxy ${process.pid} ${args.join(" ")}\n`);
if (process.env["FAKE_PROXY_CRASH"] === "1") process.exit(3);
process.on("SIGUSR2", () => say(current, { type: "replace" }));
if (isDeaf) process.on("SIGTERM", () => undefined);

let version = 0;
let current: Socket | undefined;

function dial(): void {
  const socket = connect(socketPath);
  current = socket;
  socket.on("connect", () => {
    say(socket, { type: "hello", proxyId, pid: process.pid, version, ...(revision === undefined ? {} : { revision }) });
  });
  const reader = createLineReader({
    maxLineBytes: 1024 * 1024,
    onLine: (line) => receive(socket, line),
    onTooLong: () => process.exit(9),
  });
  socket.on("data", (chunk) => reader.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk));
  socket.on("error", () => undefined);
  socket.on("close", () => setTimeout(dial, 50));
}

function receive(socket: Socket, line: string): void {
  const message: { type: string; version?: number } = JSON.parse(line);
  // Beside the pid file, for the test to read.
  appendFileSync("received.ndjson", `${line}\n`);
  if (message.type === "stop" && !isDeaf) process.exit(0);
  if (message.type !== "config" || message.version === undefined || message.version <= version) return;
  version = message.version;
  if (version <= rejectUntil) say(socket, { type: "rejected", version, message: "port 1 is in use" });
  else say(socket, { type: "applied", version });
}

function say(socket: Socket | undefined, message: unknown): void {
  socket?.write(`${JSON.stringify(message)}\n`);
}

if (isMute) setInterval(() => undefined, 1_000);
else dial();
