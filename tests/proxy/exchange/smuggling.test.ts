import { describe, expect, test } from "bun:test";
import { MemoryMesh } from "../memory-mesh.ts";
import { deliver, get } from "./talk.ts";

/** Bytes that have smuggled a second request past some server, sent through both proxies; `tests/ATTACKS.md` is the list. */
const smuggled = "GET /admin HTTP/1.1\r\nHost: api\r\n\r\n";

/** What the client gets for `text`; fails when a byte of it reaches the app or the connection goes on. */
function refusalOf(text: string): string {
  const mesh = new MemoryMesh();
  const client = mesh.client();
  client.send(text);
  mesh.settle();
  expect(mesh.apps.map((app) => app.received)).toEqual([]);
  expect(client.hasEnded).toBe(true);
  expect(client.received.split("HTTP/1.1 ").length).toBe(2);
  return client.received.slice(0, "HTTP/1.1 400".length);
}

describe("a request that two servers could end at different bytes is refused whole:", () => {
  const post = (fields: string): string => `POST / HTTP/1.1\r\nHost: api\r\n${fields}\r\n\r\n`;
  const attacks: readonly (readonly [string, string])[] = [
    [
      "both Content-Length and Transfer-Encoding",
      `${post("Content-Length: 5\r\nTransfer-Encoding: chunked")}0\r\n\r\n${smuggled}`,
    ],
    [
      "Transfer-Encoding in front of Content-Length",
      `${post("Transfer-Encoding: chunked\r\nContent-Length: 100")}0\r\n\r\n${smuggled}`,
    ],
    ["two equal Content-Lengths", post("Content-Length: 0\r\nContent-Length: 0") + smuggled],
    ["two different Content-Lengths", post(`Content-Length: 0\r\nContent-Length: ${smuggled.length}`) + smuggled],
    ["space before the colon of Content-Length (CVE-2024-27982)", post("Content-Length : 34") + smuggled],
    ["space before the name of Content-Length (CVE-2024-27982)", post("X: 1\r\n Content-Length: 34") + smuggled],
    ["a coding behind chunked (CVE-2022-32213)", `${post("Transfer-Encoding: chunked, deflate")}0\r\n\r\n${smuggled}`],
    ["fields apart by a bare CR (CVE-2022-32214)", `${post("X: 1\rTransfer-Encoding: chunked")}0\r\n\r\n${smuggled}`],
    [
      "Transfer-Encoding on two lines (CVE-2022-32215)",
      `${post("Transfer-Encoding: chunked,\r\n identity")}0\r\n\r\n${smuggled}`,
    ],
    ["Transfer-Encoding that only begins so (CVE-2019-15605)", `${post("Transfer-Encoding: chunkedchunked")}0\r\n\r\n`],
    ["Transfer-Encoding of another case in two fields", post("transfer-encoding: CHUNKED\r\nTransfer-Encoding: x")],
    ["a line that ends with a bare LF (CVE-2022-35256)", `POST / HTTP/1.1\r\nHost: api\nContent-Length: 34\r\n\r\n`],
    ["a head that ends with bare LFs (CVE-2022-35256)", `GET / HTTP/1.1\r\nHost: api\r\n\n\n\r\n\r\n`],
    ["NUL in a value (CVE-2019-9900)", post("X: a\0b\r\nContent-Length: 0")],
    ["a preface of the PROXY protocol, version 1 (CVE-2026-47692)", `PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n${get}`],
    [
      "a preface of the PROXY protocol, version 2 (CVE-2026-47692)",
      `\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff${"\0".repeat(32)}${get}`,
    ],
    ["a Host with a scoped address (CVE-2026-26310)", "GET / HTTP/1.1\r\nHost: [fe80::1%eth0]:80\r\n\r\n"],
  ];
  for (const [what, text] of attacks) test(what, () => expect(refusalOf(text)).toMatch(/^HTTP\/1\.1 (400|505)$/));
});

test("a chunk's extension of any length costs no more than its bound (CVE-2024-22019)", () => {
  const mesh = new MemoryMesh();
  const client = mesh.client();
  deliver(mesh, client, "POST / HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send(`1;${"a".repeat(1024 * 1024)}`);
  mesh.settle();
  expect(client.take()).toStartWith("HTTP/1.1 400 ");
  expect(mesh.app().connection.isClosed).toBe(true);
  expect(mesh.app().received).not.toContain("aaaa");
});
