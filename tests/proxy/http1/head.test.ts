import { describe, expect, test } from "bun:test";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";
import { MessageHead, parseRequestHead, parseResponseHead } from "../../../proxy/http1/head.ts";

const limits = defaultProxyLimits.http1;

function request(text: string): { outcome: string; head: MessageHead } {
  const head = new MessageHead();
  return { outcome: parseRequestHead(Buffer.from(text, "latin1"), 0, head, limits), head };
}

function response(text: string): { outcome: string; head: MessageHead } {
  const head = new MessageHead();
  return { outcome: parseResponseHead(Buffer.from(text, "latin1"), 0, head, limits), head };
}

describe("a request head", () => {
  test("is read with method, target, fields and the place where the body begins", () => {
    const text = "POST /a?b=1 HTTP/1.1\r\nHost: web\r\nContent-Length:  5 \r\nX-Two: a b\t\r\n\r\n";
    const { outcome, head } = request(`${text}hello`);
    expect(outcome).toBe("complete");
    expect([head.method, head.target, head.minorVersion]).toEqual(["POST", "/a?b=1", 1]);
    expect(head.contentLength).toBe(5);
    expect(head.end).toBe(text.length);
    expect(head.fieldName(2)).toBe("x-two");
    expect(head.fieldValue(2)).toBe("a b");
  });

  test("is incomplete at every point before its empty line", () => {
    const text = "GET / HTTP/1.1\r\nHost: web\r\n\r\n";
    for (let length = 0; length < text.length; length++)
      expect(request(text.slice(0, length)).outcome).toBe("incomplete");
  });

  test("leaves nothing of the head that was parsed before", () => {
    const head = new MessageHead();
    const first = "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close, x-y\r\n\r\n";
    const second = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    expect(parseRequestHead(Buffer.from(first), 0, head, limits)).toBe("complete");
    expect([head.isChunked, head.hasClose, head.nominated]).toEqual([true, true, ["x-y"]]);
    expect(parseRequestHead(Buffer.from(second), 0, head, limits)).toBe("complete");
    expect([head.isChunked, head.hasClose, head.hasHopFields, head.nominated]).toEqual([false, false, false, []]);
  });

  test("for a tunnel says so, with host and port as its target and no path", () => {
    const { outcome, head } = request("CONNECT Web.mesh:8443 HTTP/1.1\r\nHost: web.mesh:8443\r\n\r\n\x16\x03");
    expect(outcome).toBe("complete");
    expect([head.isConnect, head.target, head.path]).toEqual([true, "Web.mesh:8443", ""]);
    expect(request("CONNECT [::1]:443 HTTP/1.0\r\n\r\n").outcome).toBe("complete");
    expect(request("GET / HTTP/1.1\r\nHost: a\r\n\r\n").head.isConnect).toBe(false);
  });

  test("gives path and query alone, whatever the form of its target", () => {
    const pathOf = (method: string, target: string): string => {
      const { outcome, head } = request(`${method} ${target} HTTP/1.1\r\nHost: a:1\r\n\r\n`);
      expect(outcome).toBe("complete");
      return head.path;
    };
    expect(pathOf("GET", "/x?y")).toBe("/x?y");
    expect(pathOf("GET", "http://A:1/x?y")).toBe("/x?y");
    expect(pathOf("GET", "http://a:1?y")).toBe("/?y");
    expect(pathOf("GET", "http://a:1")).toBe("/");
    expect(pathOf("OPTIONS", "http://a:1")).toBe("*");
    expect(pathOf("OPTIONS", "*")).toBe("*");
  });

  test("expects a continue whatever stands beside it, but never in HTTP/1.0", () => {
    const both = "Expect: 100-Continue\r\nExpect: x\r\n\r\n";
    expect(request(`POST / HTTP/1.1\r\nHost: a\r\n${both}`).head.expectsContinue).toBe(true);
    expect(request(`POST / HTTP/1.0\r\nHost: a\r\n${both}`).head.expectsContinue).toBe(false);
  });

  test("cannot nominate away what frames, routes or authorizes it", () => {
    const options = "close, Host, content-length, Authorization, X-Forwarded-For, cookie, x-mine, ,\tX-Other";
    const { outcome, head } = request(`GET / HTTP/1.1\r\nHost: a\r\nConnection: ${options}\r\n\r\n`);
    expect([outcome, head.nominated]).toEqual(["complete", ["x-mine", "x-other"]]);
  });

  const goodHosts = ["a", "a.b-c_d:1", "A", "127.0.0.1:65535", "[::1]", "[2001:db8::1]:80", "xn--bcher-kva.example"];
  for (const host of goodHosts) {
    test(`may be for ${host}`, () =>
      expect(request(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`).outcome).toBe("complete"));
  }
  const badHosts = [
    "",
    ":80",
    "a:",
    "a:0",
    "a:080",
    "a:65536",
    "a:b",
    "a:1:2",
    "a b",
    "a%2fb",
    "a/b",
    "a?b",
    "a\\b",
    "a#b",
    "u@a",
    "::1",
    "[::1",
    "[]",
    "[::1]a",
    "[fe80::1%eth0]",
    "a,b",
    "\xe9",
  ];
  for (const host of badHosts) {
    test(`is refused for the host ${JSON.stringify(host)}`, () =>
      expect(request(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`).outcome).toBe("bad_host"));
  }

  const refused: readonly (readonly [string, string, string])[] = [
    [
      "both framings",
      "conflicting_framing",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    [
      "two lengths that differ",
      "bad_content_length",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
    [
      "two lengths that agree",
      "bad_content_length",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    ],
    ["a list of lengths", "bad_content_length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n"],
    ["a signed length", "bad_content_length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n"],
    ["a hexadecimal length", "bad_content_length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n"],
    ["an empty length", "bad_content_length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"],
    [
      "space before the colon (CVE-2024-27982)",
      "malformed_field",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\n",
    ],
    [
      "a coding beside chunked (CVE-2022-32215)",
      "bad_transfer_encoding",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    ],
    [
      "chunked twice",
      "bad_transfer_encoding",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    [
      "an obfuscated coding (CVE-2019-15605)",
      "bad_transfer_encoding",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
    ],
    [
      "a tab behind its coding",
      "malformed_field",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked \t \r\n\r\n",
    ],
    ["a folded field (CVE-2022-32214)", "malformed_field", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n"],
    [
      "a coding on two lines (CVE-2022-32213, CVE-2022-32215)",
      "malformed_field",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n , identity\r\n\r\n",
    ],
    [
      "a bare LF behind its coding (CVE-2022-32214)",
      "malformed_field",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\nX: 1\r\n\r\n",
    ],
    ["a bare LF", "malformed_field", "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n"],
    ["a bare CR (CVE-2022-35256)", "malformed_field", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n"],
    ["NUL in a value (CVE-2019-9900)", "malformed_field", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"],
    ["no field name", "malformed_field", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"],
    ["a space in the target", "unsupported_version", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["a fragment in the target (CVE-2021-39156)", "bad_target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["bytes beyond ASCII in the target", "malformed_request_line", "GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["no Host", "bad_host", "GET / HTTP/1.1\r\nX: 1\r\n\r\n"],
    ["two Hosts", "bad_host", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"],
    ["a Host with user information", "bad_host", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"],
    ["a Host that is a list", "bad_host", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"],
    ["an absolute target for another host", "bad_target", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["an absolute target for https", "bad_target", "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["an absolute target of mixed case (CVE-2023-35944)", "bad_target", "GET HTTP://a/ HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["an absolute target without a host", "bad_target", "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["a target that is no form at all", "bad_target", "GET a/b HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["* for another method than OPTIONS", "bad_target", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["the first line of HTTP/2", "unsupported_version", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["the method of HTTP/2's first line", "unsupported_method", "PRI / HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["CONNECT in origin form", "bad_target", "CONNECT / HTTP/1.1\r\nHost: a:1\r\n\r\n"],
    ["CONNECT without a port", "bad_target", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["CONNECT to an empty port", "bad_target", "CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["CONNECT to another host than Host", "bad_target", "CONNECT a:1 HTTP/1.1\r\nHost: b:1\r\n\r\n"],
    ["CONNECT with a path", "bad_target", "CONNECT a:1/b HTTP/1.1\r\nHost: a:1\r\n\r\n"],
    ["CONNECT with user information", "bad_target", "CONNECT u@a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"],
    ["CONNECT with a length", "conflicting_framing", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 0\r\n\r\n"],
    [
      "CONNECT with chunks",
      "conflicting_framing",
      "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    [
      "CONNECT and an upgrade",
      "bad_upgrade",
      "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    ],
    [
      "two protocols to upgrade to",
      "bad_upgrade",
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nUpgrade: y\r\n\r\n",
    ],
    ["an upgrade to nothing", "bad_upgrade", "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade:\r\n\r\n"],
    ["an upgrade in HTTP/1.0", "bad_upgrade", "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"],
    [
      "a connection option that is no token",
      "bad_connection",
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: "close"\r\n\r\n',
    ],
    [
      "a no-break space around a connection option",
      "bad_connection",
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\xa0\r\n\r\n",
    ],
    [
      "an upgrade under another name",
      "bad_connection",
      "GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: upgrade\r\nUpgrade: x\r\n\r\n",
    ],
    [
      "too many nominated fields",
      "bad_connection",
      `GET / HTTP/1.1\r\nHost: a\r\nConnection: ${"x,".repeat(limits.maxConnectionOptions + 1)}\r\n\r\n`,
    ],
    ["another version", "unsupported_version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"],
    ["HTTP/0.9", "malformed_request_line", "GET /\r\n\r\n"],
    ["a TLS hello", "malformed_request_line", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["too many fields", "too_many_fields", `GET / HTTP/1.1\r\nHost: a\r\n${"X: 1\r\n".repeat(limits.maxFields)}\r\n`],
    ["too many bytes", "head_too_large", `GET / HTTP/1.1\r\nHost: a\r\nX: ${"a".repeat(70_000)}`],
    ["chunked in HTTP/1.0", "bad_transfer_encoding", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ];
  for (const [what, problem, text] of refused) {
    test(`with ${what} is refused as ${problem}`, () => expect(request(text).outcome).toBe(problem));
  }
});

describe("a response head", () => {
  test("is read with status and framing", () => {
    const { outcome, head } = response("HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
    expect([outcome, head.status, head.hasKeepAlive]).toEqual(["complete", 204, true]);
  });

  test("may have no reason phrase at all", () => {
    expect(response("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").outcome).toBe("complete");
  });

  test("may say that there is no body where there can be none", () => {
    expect(response("HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n").outcome).toBe("complete");
    expect(response("HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n").outcome).toBe("complete");
  });

  const refused: readonly (readonly [string, string, string])[] = [
    ["a status of two digits", "malformed_status_line", "HTTP/1.1 99 X\r\n\r\n"],
    ["a status of two digits and nothing behind it", "malformed_status_line", "HTTP/1.1 20\r\n\r\n"],
    ["a status with a sign", "malformed_status_line", "HTTP/1.1 2-0 X\r\n\r\n"],
    [
      "both framings",
      "conflicting_framing",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ["chunks behind 204", "conflicting_framing", "HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ["a length behind 204", "conflicting_framing", "HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n"],
    ["a length behind 100", "conflicting_framing", "HTTP/1.1 100 X\r\nContent-Length: 5\r\n\r\n"],
    ["chunks behind 101", "conflicting_framing", "HTTP/1.1 101 X\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ["101 without a protocol", "bad_upgrade", "HTTP/1.1 101 X\r\nConnection: upgrade\r\n\r\n"],
    ["101 without the option", "bad_upgrade", "HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n"],
    ["101 in HTTP/1.0", "bad_upgrade", "HTTP/1.0 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"],
    ["an unknown version", "unsupported_version", "ICY 200 OK\r\n\r\n"],
    ["a bare LF behind the status", "malformed_status_line", "HTTP/1.1 200 OK\nX: 1\r\n\r\n"],
  ];
  for (const [what, problem, text] of refused) {
    test(`with ${what} is refused as ${problem}`, () => expect(response(text).outcome).toBe(problem));
  }
});
