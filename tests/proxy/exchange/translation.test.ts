import { describe, expect, test } from "bun:test";
import { Http2Client, http2Mesh } from "../http2-ends.ts";
import { MemoryMesh, trustDomain } from "../memory-mesh.ts";
import { answer, deliver, ok, told, unchunked } from "./talk.ts";

const element = `By=spiffe://${trustDomain}/ns/default/dc/dc1/svc/api;URI=spiffe://${trustDomain}/ns/default/dc/dc1/svc/web`;
const stamp = `|x-forwarded-proto|http|x-forwarded-client-cert|${element}`;

describe("a client of HTTP/1.1 and an app of HTTP/2", () => {
  /** Sends a request; what the app has seen of it. */
  function start(text: string) {
    const { mesh, app } = http2Mesh("http2");
    const client = mesh.client();
    client.send(text);
    mesh.settle();
    return { mesh, app, client, seen: app.take() };
  }
  const get = (method = "GET"): string => `${method} / HTTP/1.1\r\nHost: api\r\n\r\n`;

  test("the host is the authority, and fields of the connection stay behind", () => {
    const fields =
      "Host: Shop.example:81\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nTE: trailers, deflate\r\nX-End: 1\r\n";
    const { seen } = start(`GET /a HTTP/1.1\r\n${fields}\r\n`);
    expect(seen).toEqual([
      `1 request :method|GET|:scheme|http|:authority|Shop.example:81|:path|/a|x-end|1${stamp} end`,
    ]);
  });

  test("an absolute target is its authority, whatever the host says", () => {
    const { seen } = start("GET http://api/a HTTP/1.1\r\nHost: api\r\n\r\n");
    expect(seen[0]).toContain(":authority|api|:path|/a|");
  });

  test("cookies arrive as one field in their order", () => {
    const { seen } = start("GET / HTTP/1.1\r\nHost: api\r\nCookie: a=1\r\nX: 1\r\nCookie: b=2; c=3\r\n\r\n");
    expect(seen[0]).toContain("|cookie|a=1; b=2; c=3|x|1|");
  });

  test("a chunked body arrives without a length, with its trailers", () => {
    const head = "POST / HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n";
    const { seen } = start(`${head}3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n`);
    expect(seen).toEqual([
      `1 request :method|POST|:scheme|http|:authority|api|:path|/${stamp}`,
      "1 data abcde",
      "1 trailers x-sum|5",
    ]);
  });

  test("a body with a length keeps it, an empty one too", () => {
    const { seen } = start("POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 2\r\n\r\nhi");
    expect(seen[0]).toContain("|content-length|2|");
    expect(seen[1]).toBe("1 data hi end");
    const empty = start("POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 0\r\n\r\n").seen;
    expect(empty[0]).toEndWith(`|content-length|0${stamp} end`);
  });

  test("a response without a length is chunked, with its trailers", () => {
    const { mesh, app, client } = start(get());
    app.respond(mesh, 1, [":status", "200", "x", "1"]);
    app.data(mesh, 1, "hello");
    app.trailers(mesh, 1, ["x-sum", "5"]);
    expect(unchunked(client.take())).toEqual({
      head: "HTTP/1.1 200 OK\r\nx: 1\r\ntransfer-encoding: chunked\r\n",
      body: "hello",
      trailers: "x-sum: 5\r\n",
    });
  });

  test("a response without a body says so, and the connection goes on", () => {
    const { mesh, app, client } = start(get());
    app.respond(mesh, 1, [":status", "200"], true);
    expect(client.take()).toBe("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    client.send(get());
    mesh.settle();
    app.respond(mesh, 3, [":status", "200"]);
    app.data(mesh, 3, "", true);
    expect(unchunked(client.take()).body).toBe("");
  });

  test.each(["204", "304"])("a %s has no body and no length of one, and the connection goes on", (status) => {
    const { mesh, app, client } = start(get());
    app.respond(mesh, 1, [":status", status, "etag", "x"], true);
    expect(client.take()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^\\r]+\\r\\netag: x\\r\\n\\r\\n$`));
    client.send(get());
    mesh.settle();
    app.respond(mesh, 3, [":status", "200"], true);
    expect(client.take()).toStartWith("HTTP/1.1 200 ");
  });

  test("the answer to HEAD tells a length and has no body", () => {
    const { mesh, app, client } = start(get("HEAD"));
    app.respond(mesh, 1, [":status", "200", "content-length", "77"], true);
    expect(client.take()).toBe("HTTP/1.1 200 OK\r\ncontent-length: 77\r\n\r\n");
    client.send(get("HEAD"));
    mesh.settle();
    app.respond(mesh, 3, [":status", "200"], true);
    expect(client.take()).toBe("HTTP/1.1 200 OK\r\n\r\n");
  });

  test("interim responses come first, to the one who waits to go on too", () => {
    const head = "POST / HTTP/1.1\r\nHost: api\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    const { mesh, app, client, seen } = start(head);
    expect(seen[0]).toContain("|expect|100-continue|");
    app.inform(mesh, 1, [":status", "103", "link", "</a>"]);
    app.inform(mesh, 1, [":status", "100"]);
    expect(client.take()).toBe("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
    client.send("hi");
    mesh.settle();
    expect(app.take()).toEqual(["1 data hi end"]);
    app.respond(mesh, 1, [":status", "200"], true);
    expect(client.take()).toStartWith("HTTP/1.1 200 OK\r\n");
  });

  test("an answer instead of 100 ends the connection, since the body may come or not", () => {
    const head = "POST / HTTP/1.1\r\nHost: api\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    const { mesh, app, client } = start(head);
    app.respond(mesh, 1, [":status", "417"], true);
    expect(client.take()).toBe("HTTP/1.1 417 Expectation Failed\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    expect(client.hasEnded).toBe(true);
  });

  test("a client of HTTP/1.0 gets no interim response and no chunks", () => {
    const { mesh, app, client } = start("GET / HTTP/1.0\r\nHost: api\r\n\r\n");
    app.inform(mesh, 1, [":status", "103"]);
    app.respond(mesh, 1, [":status", "200"]);
    app.data(mesh, 1, "all", true);
    expect(client.take()).toBe("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall");
    expect(client.hasEnded).toBe(true);
  });

  test("an upgrade is an extended CONNECT to the app, and its 200 the client's 101", () => {
    const upgrade =
      "GET /chat HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
    const { mesh, app, client, seen } = start(upgrade);
    expect(seen).toEqual([
      `1 request :method|CONNECT|:protocol|websocket|:scheme|http|:authority|api|:path|/chat|sec-websocket-version|13${stamp}`,
    ]);
    app.respond(mesh, 1, [":status", "200"]);
    app.data(mesh, 1, "hello");
    expect(client.take()).toBe(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello",
    );
    client.send("ping");
    mesh.settle();
    expect(app.take()).toEqual(["1 data ping"]);
    client.connection.end();
    mesh.settle();
    expect(app.take()).toEqual(["1 data  end"]);
    app.data(mesh, 1, "bye", true);
    expect(client.take()).toBe("bye");
    expect(client.hasEnded).toBe(true);
  });
});

describe("a client of HTTP/2 and an app of HTTP/1.1", () => {
  function start(request: string, fields: readonly string[] = [], options = {}) {
    const mesh = new MemoryMesh();
    const client = new Http2Client(mesh);
    const stream = client.request(request, fields, options);
    return { mesh, client, stream, read: mesh.apps.length === 0 ? "" : mesh.app().take() };
  }
  /** What the client gets for the app's answer. */
  function reply(mesh: MemoryMesh, client: Http2Client, text: string): string[] {
    mesh.app().send(text);
    mesh.settle();
    return client.take();
  }

  test("the authority is the host", () => {
    expect(start("GET /a?b", ["x", "1"], { authority: "Shop.example:81" }).read).toBe(
      `GET /a?b HTTP/1.1\r\nhost: Shop.example:81\r\nx: 1\r\n${told}\r\n`,
    );
  });

  test("a host that agrees with the authority is it, and one that does not is refused", () => {
    expect(start("GET /", ["host", "api"]).read).toBe(`GET / HTTP/1.1\r\nhost: api\r\n${told}\r\n`);
    const { client, mesh } = start("GET /", ["host", "evil"]);
    expect(client.take()).toEqual(["1 reset 1 by peer"]);
    expect(mesh.apps.length).toBe(0);
  });

  test("crumbs of a cookie become one", () => {
    expect(start("GET /", ["cookie", "a=1", "x", "1", "cookie", "b=2"]).read).toContain(
      "\r\ncookie: a=1; b=2\r\nx: 1\r\n",
    );
  });

  test("a body without a length is chunked, with its trailers", () => {
    const { mesh, client, stream, read } = start("POST /", [], { isEnd: false });
    client.data(stream, "abc", false);
    client.data(stream, "de", false);
    client.trailers(stream, ["x-sum", "5"]);
    expect(unchunked(read + mesh.app().take())).toEqual({
      head: `POST / HTTP/1.1\r\nhost: api\r\n${told}transfer-encoding: chunked\r\n`,
      body: "abcde",
      trailers: "x-sum: 5\r\n",
    });
  });

  test("a body with a length is not", () => {
    const { mesh, client, stream, read } = start("POST /", ["content-length", "2"], { isEnd: false });
    client.data(stream, "hi", true);
    expect(read + mesh.app().take()).toBe(`POST / HTTP/1.1\r\nhost: api\r\ncontent-length: 2\r\n${told}\r\nhi`);
  });

  test("a chunked response loses its chunks and keeps its trailers, and fields of the connection stay behind", () => {
    const { mesh, client } = start("GET /");
    const head =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX: 1\r\n\r\n";
    expect(reply(mesh, client, `${head}5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n`)).toEqual([
      "1 response :status|200|x|1",
      "1 data hello",
      "1 trailers x-sum|5",
    ]);
  });

  test("a response up to the end of the connection ends with it", () => {
    const { mesh, client } = start("GET /");
    mesh.app().send("HTTP/1.1 200 OK\r\n\r\nall");
    mesh.app().connection.end();
    mesh.settle();
    expect(client.take()).toEqual(["1 response :status|200", "1 data all end"]);
  });

  test("a response that is cut short is reset", () => {
    const { mesh, client } = start("GET /");
    expect(reply(mesh, client, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart")).toHaveLength(2);
    mesh.app().connection.destroy();
    mesh.settle();
    expect(client.take()).toEqual(["1 reset 2 by peer"]);
  });

  test("the answer to HEAD, a 204 and a 304 have no body, and the app's connection goes on", () => {
    const { mesh, client } = start("HEAD /");
    expect(reply(mesh, client, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")).toEqual([
      "1 response :status|200|content-length|9 end",
    ]);
    client.request("GET /");
    expect(reply(mesh, client, "HTTP/1.1 204 No Content\r\n\r\n")).toEqual(["3 response :status|204 end"]);
    client.request("GET /");
    expect(reply(mesh, client, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")).toEqual([
      "5 response :status|304|content-length|9 end",
    ]);
    client.request("GET /");
    expect(reply(mesh, client, ok("x")).at(-1)).toBe("7 data x end");
    expect(mesh.apps.length).toBe(1);
  });

  test("interim responses come first, to the one who waits to go on too", () => {
    const fields = ["expect", "100-continue", "content-length", "2"];
    const { mesh, client, stream, read } = start("POST /", fields, { isEnd: false });
    expect(read).toContain("expect: 100-continue\r\n");
    expect(reply(mesh, client, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")).toEqual([
      "1 informational 103",
      "1 informational 100",
    ]);
    client.data(stream, "hi", true);
    expect(mesh.app().take()).toBe("hi");
    expect(reply(mesh, client, ok("x"))).toEqual(["1 response :status|200|content-length|1", "1 data x end"]);
  });

  test("an extended CONNECT is an upgrade at the app, and its 101 the client's 200", () => {
    const mesh = new MemoryMesh();
    const client = new Http2Client(mesh);
    const connect = [
      ":method",
      "CONNECT",
      ":protocol",
      "websocket",
      ":scheme",
      "http",
      ":authority",
      "api",
      ":path",
      "/chat",
    ];
    const stream = client.send([...connect, "sec-websocket-version", "13"], false);
    expect(mesh.app().take()).toBe(
      `GET /chat HTTP/1.1\r\nhost: api\r\nsec-websocket-version: 13\r\n${told}connection: upgrade\r\nupgrade: websocket\r\n\r\n`,
    );
    const switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    expect(reply(mesh, client, `${switched}hello`)).toEqual(["1 response :status|200", "1 data hello"]);
    client.data(stream, "ping", false);
    expect(mesh.app().take()).toBe("ping");
    client.data(stream, "", true);
    expect(mesh.app().hasEnded).toBe(true);
    mesh.app().send("bye");
    mesh.app().connection.end();
    mesh.settle();
    expect(client.take()).toEqual(["1 data bye end"]);
  });

  test("an extended CONNECT that the app declines is answered as it answers", () => {
    const mesh = new MemoryMesh();
    const client = new Http2Client(mesh);
    client.send(
      [":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "api", ":path", "/"],
      false,
    );
    const lines = reply(mesh, client, "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
    expect(lines.slice(0, 2)).toEqual(["1 response :status|426|content-length|2", "1 data no end"]);
  });

  test("a plain CONNECT is a tunnel to anywhere, which nobody opens", () => {
    const mesh = new MemoryMesh();
    const client = new Http2Client(mesh);
    client.send([":method", "CONNECT", ":authority", "db:5432"], false);
    expect(client.take()[0]).toStartWith("1 response :status|501|");
    expect(mesh.apps.length).toBe(0);
  });
});

describe("HTTP/1.1 at both ends", () => {
  test("keeps a request and its answer as they were, though HTTP/2 lies between", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    const request = "PUT /a?b HTTP/1.1\r\nhost: api\r\ncookie: a=1; b=2\r\ncontent-length: 3\r\n";
    expect(deliver(mesh, client, `${request}\r\nabc`)).toBe(`${request}${told}\r\nabc`);
    const response = "HTTP/1.1 201 Created\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 2\r\n\r\nok";
    expect(answer(mesh, client, response)).toBe(response);
  });
});
