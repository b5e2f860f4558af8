import { describe, expect, test } from "bun:test";
import { FieldBlock } from "../../../proxy/message/field-block.ts";
import { http2Mesh, type Http2Mesh } from "../http2-ends.ts";
import { unchunked } from "../exchange/talk.ts";
import { trustDomain } from "../memory-mesh.ts";

/** Messages of gRPC: a frame each. */
const message = (text: string): string => `\0\0\0\0${String.fromCharCode(text.length)}${text}`;
const trailersFrame = (text: string): string => `\x80\0\0\0${String.fromCharCode(text.length)}${text}`;
const grpcHead = [":status", "200", "content-type", "application/grpc+proto"];
const done = ["grpc-status", "0", "grpc-message", ""];
const doneFrame = trailersFrame("grpc-status:0\r\ngrpc-message:\r\n");

function post(contentType: string, body: string, fields = ""): string {
  const head = `POST /Echo/Say HTTP/1.1\r\nHost: api\r\nContent-Type: ${contentType}\r\n${fields}`;
  return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
}

function mustHave(lines: readonly string[], pattern: RegExp): string {
  const found = lines.find((line) => pattern.test(line));
  if (found === undefined) throw new Error(`no ${pattern} in ${JSON.stringify(lines)}`);
  return found;
}

/** Calls, and what app and client have seen of it. */
function call({ mesh, app }: Http2Mesh, request: string, answer: () => void) {
  const client = mesh.client();
  for (let at = 0; at < request.length; at += 4_096) client.send(request.slice(at, at + 4_096));
  mesh.settle();
  const seen = app.take();
  answer();
  return { seen, got: unchunked(client.take()) };
}

describe("gRPC-Web", () => {
  test("in binary reaches the server as gRPC, and its trailers come back as the body's last frame", () => {
    const world = http2Mesh("grpc");
    const { mesh, app } = world;
    const { seen, got } = call(world, post("application/grpc-web+proto", message("hi"), "X-Grpc-Web: 1\r\n"), () => {
      app.respond(mesh, 1, [...grpcHead, "x-meta", "m"]);
      app.data(mesh, 1, message("ho"));
      app.trailers(mesh, 1, done);
    });
    const request = mustHave(seen, /^1 request/);
    expect(request).toContain("|content-type|application/grpc+proto|");
    expect(request).toContain("|te|trailers");
    expect(request).not.toContain("content-length");
    expect(request).toContain(`URI=spiffe://${trustDomain}/ns/default/dc/dc1/svc/web`);
    expect(seen.at(-1)).toBe(`1 data ${message("hi")} end`);
    expect(got.head).toContain("content-type: application/grpc-web+proto\r\n");
    expect(got.head).toContain("x-meta: m\r\n");
    expect(got.body).toBe(message("ho") + doneFrame);
  });

  test("in base64 is decoded and encoded, each piece of the answer at once", () => {
    const world = http2Mesh("grpc");
    const { mesh, app } = world;
    const client = mesh.client();
    const body = btoa(message("one")) + btoa(message("three"));
    client.send(post("application/grpc-web-text", body, "Accept: application/grpc-web-text\r\n"));
    mesh.settle();
    expect(app.take().at(-1)).toBe(`1 data ${message("one")}${message("three")} end`);
    app.respond(mesh, 1, grpcHead);
    app.data(mesh, 1, message("first"));
    const early = client.take();
    expect(early).toContain("content-type: application/grpc-web-text+proto\r\n");
    expect(early).toContain(btoa(message("first")));
    app.trailers(mesh, 1, done);
    expect(client.take()).toContain(btoa(doneFrame));
  });

  test("is the same whatever the cut of its bytes, at every byte", () => {
    const body = btoa(message("ab")) + btoa(message("c"));
    const request = post("application/grpc-web-text+proto", body);
    const answer = message("xyz") + message("");
    for (let cut = 0; cut < body.length; cut++) {
      const { mesh, app } = http2Mesh("grpc");
      const client = mesh.client();
      const at = request.length - body.length + cut;
      client.send(request.slice(0, at));
      mesh.settle();
      client.send(request.slice(at));
      mesh.settle();
      expect(app.take().at(-1)).toBe(`1 data ${message("ab")}${message("c")} end`);
      app.respond(mesh, 1, grpcHead);
      const part = cut % answer.length;
      app.data(mesh, 1, answer.slice(0, part));
      app.data(mesh, 1, answer.slice(part));
      app.trailers(mesh, 1, done);
      const encoded = unchunked(client.take()).body;
      const decoded = Array.from(encoded.matchAll(/[^=]+=*/g), ([piece]) => atob(piece)).join("");
      expect(decoded).toBe(answer + doneFrame);
    }
  });

  test("is the same in pieces of one byte on every connection", () => {
    const world = http2Mesh("grpc");
    world.mesh.network.maxPieceBytes = 1;
    const { seen, got } = call(world, post("application/grpc-web-text", btoa(message("hello"))), () => {
      world.app.respond(world.mesh, 1, grpcHead);
      world.app.data(world.mesh, 1, message("world"));
      world.app.trailers(world.mesh, 1, done);
    });
    expect(seen.at(-1)).toBe(`1 data ${message("hello")} end`);
    const decoded = Array.from(got.body.matchAll(/[^=]+=*/g), ([piece]) => atob(piece)).join("");
    expect(decoded).toBe(message("world") + doneFrame);
  });

  test("in base64 of eight megabytes each way arrives whole, bounded by its slow reader", () => {
    const { mesh, app } = http2Mesh("grpc");
    const client = mesh.client();
    const bulk = Buffer.alloc(6 * 1024 * 1024, "0123456789");
    const text = bulk.toString("base64");
    client.send(post("application/grpc-web-text", text));
    mesh.settle();
    const read = app.take().at(-1) ?? "";
    expect(read.length).toBe("1 data ".length + bulk.length + " end".length);
    client.connection.pause();
    app.respond(mesh, 1, grpcHead);
    const sent = app.sendAll(mesh, 1, bulk, (http2, stream) => http2.trailers(stream, new FieldBlock(done)));
    // A client that does not read stops the server, and what waits for it is a few windows.
    expect(sent()).toBeLessThan(3 * 1024 * 1024);
    client.connection.resume();
    mesh.settle();
    const encoded = unchunked(client.take()).body;
    const decoded = Buffer.concat(Array.from(encoded.matchAll(/[^=]+=*/g), ([piece]) => Buffer.from(piece, "base64")));
    expect(decoded.length).toBe(bulk.length + doneFrame.length);
    expect(decoded.subarray(0, bulk.length).equals(bulk)).toBe(true);
  });

  test("whose text is no base64 is answered as gRPC does, and the server is told that it is over", () => {
    for (const body of ["!!!!", "AAAAA"]) {
      const { mesh, app } = http2Mesh("grpc");
      const client = mesh.client();
      client.send(post("application/grpc-web-text", body).slice(0, -body.length));
      mesh.settle();
      client.send(body);
      mesh.settle();
      expect(client.take()).toMatch(/^HTTP\/1\.1 200 .*grpc-status: 13\r\n/s);
      expect(app.take().at(-1)).toBe("1 reset 8 by peer");
    }
  });

  test("answered without a body keeps its status in the head", () => {
    const { mesh, app } = http2Mesh("grpc");
    const client = mesh.client();
    client.send(post("application/grpc-web", ""));
    mesh.settle();
    app.respond(mesh, 1, [...grpcHead, "grpc-status", "5"], true);
    expect(client.take()).toBe(
      "HTTP/1.1 200 OK\r\ncontent-type: application/grpc-web+proto\r\ngrpc-status: 5\r\ncontent-length: 0\r\n\r\n",
    );
  });

  test("answered by something else than gRPC gets that as it is", () => {
    const { mesh, app } = http2Mesh("grpc");
    const client = mesh.client();
    client.send(post("application/grpc-web-text", ""));
    mesh.settle();
    app.respond(mesh, 1, [":status", "503", "content-type", "text/plain", "content-length", "4"]);
    app.data(mesh, 1, "busy", true);
    expect(client.take()).toBe(
      "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nbusy",
    );
  });

  test("that is refused on the way is told so in its own content type", () => {
    const { mesh } = http2Mesh("grpc", { outbound: { endpoints: [] } });
    const client = mesh.client();
    client.send(post("application/grpc-web-text", ""));
    mesh.settle();
    const answer = client.take();
    expect(answer).toContain("content-type: application/grpc-web-text+proto\r\n");
    expect(answer).toContain("grpc-status: 14\r\ngrpc-message: no healthy upstream\r\n");
  });

  test("is passed on as it is where it is switched off, and by listeners of other protocols", () => {
    for (const world of [
      http2Mesh("grpc", { outbound: { grpcWeb: false }, inbound: { grpcWeb: false } }),
      http2Mesh("http2"),
    ]) {
      const { seen } = call(world, post("application/grpc-web-text", btoa(message("hi"))), () => {
        world.app.respond(world.mesh, 1, [":status", "200", "content-type", "application/grpc-web-text"]);
        world.app.data(world.mesh, 1, "", true);
      });
      expect(mustHave(seen, /^1 request/)).toContain("content-type|application/grpc-web-text");
      expect(seen.at(-1)).toBe(`1 data ${btoa(message("hi"))} end`);
    }
  });

  test("is translated by the callee's proxy when the caller's does not", () => {
    const world = http2Mesh("grpc", { outbound: { grpcWeb: false } });
    const { seen } = call(world, post("application/grpc-web", message("hi")), () => {
      world.app.respond(world.mesh, 1, grpcHead);
      world.app.trailers(world.mesh, 1, done);
    });
    expect(mustHave(seen, /^1 request/)).toContain("content-type|application/grpc|");
  });
});
