import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { goJudge, type Server, startServer } from "./programs.ts";
import { type ProxyPair, startProxyPair } from "./proxy-pair.ts";

/** gRPC-Web as a browser sends it, by Bun's HTTP client, through two real proxies to a server of grpc-go. */
const go = await goJudge();

function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Messages and trailers of a body. */
function framesOf(body: Buffer): { messages: Buffer[]; trailers: string } {
  const messages: Buffer[] = [];
  let trailers = "";
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    const content = body.subarray(at + 5, end);
    if (body[at] === 0x80) trailers = content.toString("latin1");
    else messages.push(content);
    at = end;
  }
  return { messages, trailers };
}

function decodeText(text: string): Buffer {
  return Buffer.concat(Array.from(text.matchAll(/[^=]+=*/g), ([part]) => Buffer.from(part, "base64")));
}

describe.skipIf(go.isMissing)(`gRPC-Web to a server in Go${go.note}`, () => {
  let app: Server;
  let pair: ProxyPair;
  beforeAll(async () => {
    app = await startServer([go.path, "grpc-serve"]);
    pair = await startProxyPair("grpc", app.port);
  });
  afterAll(async () => {
    await pair.stop();
    await app.stop();
  });

  async function call(method: string, message: Buffer, isText: boolean, fields: Record<string, string> = {}) {
    const contentType = `application/grpc-web${isText ? "-text" : ""}+proto`;
    const body = frame(message);
    const answer = await fetch(`http://127.0.0.1:${pair.listen}/atoll.judge.Echo/${method}`, {
      method: "POST",
      headers: { "content-type": contentType, accept: contentType, "x-grpc-web": "1", ...fields },
      body: isText ? body.toString("base64") : body,
    });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, contentType]);
    const received = isText ? decodeText(await answer.text()) : Buffer.from(await answer.arrayBuffer());
    return { ...framesOf(received), headers: answer.headers };
  }

  for (const isText of [false, true]) {
    describe(isText ? "in base64" : "in binary", () => {
      test("gets its message back, 4 MB of it too", async () => {
        for (const size of [0, 1, 5, 4 * 1024 * 1024 - 1024]) {
          const message = Buffer.from(Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
          const { messages, trailers } = await call("Unary", message, isText);
          expect(messages.length).toBe(1);
          expect(messages[0]?.equals(message)).toBe(true);
          expect(trailers).toContain("grpc-status:0\r\n");
        }
      });

      test("gets every message of a stream", async () => {
        const { messages, trailers } = await call("ServerStream", Buffer.from("50 3001"), isText);
        expect(messages.map(({ length }) => length)).toEqual(Array.from({ length: 50 }, () => 3001));
        expect(trailers).toContain("grpc-status:0\r\n");
      });

      test("is told the status of a failed call", async () => {
        const { headers, trailers } = await call("Unary", Buffer.alloc(0), isText, { "x-status": "5" });
        expect(headers.get("grpc-status") ?? /grpc-status:(\d+)/.exec(trailers)?.[1]).toBe("5");
      });

      test("is told that its time is over", async () => {
        const hanging = { "x-hang": "1", "grpc-timeout": "100m" };
        const { headers, trailers } = await call("Unary", Buffer.alloc(0), isText, hanging);
        expect(headers.get("grpc-status") ?? /grpc-status:(\d+)/.exec(trailers)?.[1]).toBe("4");
      });
    });
  }
});
