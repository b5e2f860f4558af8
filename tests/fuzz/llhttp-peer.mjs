import { createRequire } from "node:module";

/**
 * Runs on Node.js: reads cases from standard input and writes how llhttp, with no leniency, reads each of them. A case is
 * one byte (0 requests, 1 responses, 2 responses to HEAD), its length in four bytes, and its bytes. The answer is a line of
 * JSON: `{ messages, error, rest }`, messages as in `reading.ts`, `rest` the bytes left to a tunnel or -1.
 */
const { HTTPParser, methods } = createRequire(import.meta.url)("_http_common");
const { kOnHeaders, kOnHeadersComplete, kOnBody, kOnMessageComplete } = HTTPParser;

/** One parser for all cases, as Node.js itself reuses its own: `initialize` begins anew. */
const parser = new HTTPParser();
let kind = 0;
let messages = [];
let message;
let hasHead = false;
let target = "";

function beginMessage() {
  message = { start: ["", "", 0], fields: [], body: "", trailers: [], isComplete: false, keepsAlive: false };
  hasHead = false;
  target = "";
}

parser[kOnHeaders] = (fields, url) => {
  if (hasHead) message.trailers.push(...fields);
  else message.fields.push(...fields);
  target += url;
};
parser[kOnHeadersComplete] = (major, minor, fields, method, url, status, reason, _upgrade, keepsAlive) => {
  if (fields !== undefined) message.fields.push(...fields);
  hasHead = true;
  const version = major === 1 ? minor : -1;
  if (kind === 0) message.start = [methods[method], target + (url ?? ""), version];
  else message.start = [String(status), reason, version];
  message.keepsAlive = keepsAlive;
  messages.push(message);
  return kind === 2 ? 1 : 0;
};
parser[kOnBody] = (part) => {
  message.body += part.latin1Slice();
};
parser[kOnMessageComplete] = () => {
  message.isComplete = true;
  beginMessage();
};

function read(kindOfCase, bytes) {
  kind = kindOfCase;
  messages = [];
  beginMessage();
  parser.initialize(kind === 0 ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {}, 1 << 20, HTTPParser.kLenientNone);
  const result = parser.execute(bytes);
  const isError = result instanceof Error;
  const rest = !isError && result < bytes.length ? bytes.length - result : -1;
  if (!isError && rest < 0) parser.finish();
  return { messages, error: isError ? result.code : "", rest };
}

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const input = Buffer.concat(chunks);
const lines = [];
for (let at = 0; at < input.length; ) {
  const length = input.readUInt32BE(at + 1);
  lines.push(JSON.stringify(read(input[at], input.subarray(at + 5, at + 5 + length))));
  at += 5 + length;
}
process.stdout.write(lines.join("\n"));
