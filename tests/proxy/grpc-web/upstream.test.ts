import { beforeEach, describe, expect, test } from "bun:test";
import type { ResponseReceiver, UpstreamStream } from "../../../proxy/exchange/ends.ts";
import { GrpcWebUpstream } from "../../../proxy/grpc-web/upstream.ts";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { checkRequest, RequestHead } from "../../../proxy/message/request-head.ts";
import { checkResponse, ResponseHead } from "../../../proxy/message/response-head.ts";

const fields = [":method", "POST", ":scheme", "http", ":authority", "api", ":path", "/E/S"];
const contentType = ["content-type", "application/grpc-web-text"];

function mustBeResponse(all: readonly string[]): ResponseHead {
  const head = checkResponse(new FieldBlock(all));
  if (!(head instanceof ResponseHead)) throw new Error(head);
  return head;
}

/** A server's stream with room for so many bytes. */
class Server implements UpstreamStream {
  readonly seen: string[] = [];
  room = 0;

  data(bytes: Buffer, start: number, end: number, isEnd: boolean): number {
    const taken = Math.min(this.room, end - start);
    this.room -= taken;
    const isAll = taken === end - start;
    if (taken > 0 || (isEnd && isAll)) {
      this.seen.push(`${bytes.toString("latin1", start, start + taken)}${isEnd && isAll ? " end" : ""}`);
    }
    return taken;
  }

  trailers(block: FieldBlock): void {
    this.seen.push(`trailers ${block.fields.join("|")}`);
  }

  consumeResponse(): void {}

  abort(): void {
    this.seen.push("abort");
  }
}

const answerHead = [":status", "200", "content-type", "application/grpc"];

describe("a request in base64 for which the server has no room", () => {
  let server: Server;
  let upstream: GrpcWebUpstream;
  let answers: string[];

  beforeEach(() => {
    const head = checkRequest(new FieldBlock([...fields, ...contentType]));
    if (!(head instanceof RequestHead)) throw new Error(head);
    server = new Server();
    answers = [];
    const noUpstream = { acquire: () => undefined, cancel: () => undefined };
    upstream = new GrpcWebUpstream(noUpstream);
    upstream.acquire({ onUpstream: () => undefined, onNoUpstream: () => undefined }, false);
    upstream.onUpstream({ remoteAddress: "", send: () => server });
    const receiver: ResponseReceiver = {
      onInform: () => undefined,
      onResponse: ({ block }) => answers.push(block.fields.join("|")),
      onResponseData: () => undefined,
      onResponseTrailers: () => undefined,
      onUpstreamLost: () => undefined,
      onUpstreamWritable: () => answers.push("room"),
    };
    upstream.send(head, false, receiver);
  });

  const give = (text: string, isEnd: boolean): number => upstream.data(Buffer.from(text), 0, text.length, isEnd);

  function makeRoom(): void {
    server.room = 100;
    upstream.onUpstreamWritable();
  }

  test("waits with its end, and reads no more meanwhile", () => {
    server.room = 2;
    expect(give(btoa("abcdef"), false)).toBe(8);
    expect(give(btoa("xyz"), true)).toBe(0);
    makeRoom();
    expect(give(btoa("xyz"), true)).toBe(4);
    expect([server.seen, answers]).toEqual([["ab", "cdef", "xyz end"], ["room"]]);
  });

  test("ends when its end comes by itself", () => {
    server.room = 2;
    give(btoa("abcdef"), false);
    expect(give("", true)).toBe(0);
    makeRoom();
    expect(server.seen).toEqual(["ab", "cdef end"]);
  });

  test("keeps its trailers behind what waits", () => {
    give(btoa("abc"), false);
    upstream.trailers(new FieldBlock(["x-sum", "1"]));
    expect(server.seen).toEqual([]);
    makeRoom();
    expect(server.seen).toEqual(["abc", "trailers x-sum|1"]);
  });

  test.each([
    ["by its head", (): void => upstream.onResponse(mustBeResponse([...answerHead, "grpc-status", "5"]), true)],
    ["by trailers", (): void => answerWithTrailers(answerHead)],
    ["in another language", (): void => answerWithTrailers([":status", "503"])],
  ])("is cancelled when the server has answered without it, %s", (_name, answer) => {
    give(btoa("abc"), true);
    answer();
    expect(server.seen).toEqual(["abort"]);
    makeRoom();
    expect(server.seen).toEqual(["abort"]);
  });

  test("is not cancelled by an answer when all of it has gone", () => {
    server.room = 3;
    give(btoa("abc"), true);
    answerWithTrailers(answerHead);
    expect(server.seen).toEqual(["abc end"]);
  });

  function answerWithTrailers(fieldsOfHead: readonly string[]): void {
    upstream.onResponse(mustBeResponse(fieldsOfHead), false);
    upstream.onResponseTrailers(new FieldBlock(["grpc-status", "5"]));
  }

  test.each([
    ["ends", () => give("", true)],
    ["has trailers", () => upstream.trailers(new FieldBlock(["x-sum", "1"]))],
  ])("is void when it %s in the middle of a group", (_name, finish) => {
    give("YW", false);
    finish();
    expect(server.seen).toEqual(["abort"]);
    expect(answers).toEqual([expect.stringContaining("grpc-status|13")]);
  });
});
