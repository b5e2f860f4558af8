import { describe, expect, test } from "bun:test";
import { Http2Client } from "../http2-ends.ts";
import { MemoryMesh, trustDomain } from "../memory-mesh.ts";
import { answer, deliver, ok, told, xfcc } from "./talk.ts";

/** What the app reads of a request, and what the client gets of the proxies' own answers, by either protocol. */
interface Talk {
  readonly name: string;
  /** The head that reached the app, or the answer: `status reason-or-location`. */
  ask(mesh: MemoryMesh, start: string, fields: readonly string[]): string;
}

const talks: readonly Talk[] = [
  {
    name: "HTTP/1.1",
    ask(mesh, start, fields) {
      const lines = Array.from({ length: fields.length / 2 }, (_, i) => `${fields[2 * i]}: ${fields[2 * i + 1]}\r\n`);
      const client = mesh.client();
      client.send(`${start} HTTP/1.1\r\nHost: api\r\n${lines.join("")}\r\n`);
      mesh.settle();
      if (mesh.apps.length > 0) return mesh.app().take();
      const got = client.take();
      return `${got.slice(9, 12)} ${/^location: (.*)\r$/m.exec(got)?.[1] ?? got.split("\r\n\r\n")[1]?.trim()}`;
    },
  },
  {
    name: "HTTP/2",
    ask(mesh, start, fields) {
      const client = new Http2Client(mesh);
      client.request(start, fields);
      if (mesh.apps.length > 0) return mesh.app().take();
      const got = client.take();
      const status = /:status\|(\d+)/.exec(got[0] ?? "")?.[1];
      return `${status} ${/location\|([^|]*)/.exec(got[0] ?? "")?.[1] ?? /data (.*)$/m.exec(got[1] ?? "")?.[1]}`;
    },
  },
];

for (const { name, ask } of talks) {
  describe(`over ${name} a request`, () => {
    test("reaches the app with the one spelling of its path", () => {
      expect(ask(new MemoryMesh(), "GET /a/%2e%2E/%61dmin?q=%61", [])).toStartWith("GET /admin?q=%61 HTTP/1.1\r\n");
    });

    test("whose path can be read in two ways is refused and counted, and no app hears of it", () => {
      const mesh = new MemoryMesh();
      expect(ask(mesh, "GET /a/%00", [])).toBe("400 escaped nul");
      expect(mesh.metrics()).toContain(`listener="127.0.0.1:15001",reason="escaped_nul"} 1`);
    });

    test("is judged by the callee's proxy too, whatever the caller's lets through", () => {
      const mesh = new MemoryMesh({
        outbound: { requestRules: { normalise: false } },
        inbound: { requestRules: { escapedSlashes: "reject" } },
      });
      expect(ask(mesh, "GET /a%2fb", [])).toBe("400 escaped slash");
    });

    test("is sent to the other spelling where the rules say so", () => {
      const mesh = new MemoryMesh({ outbound: { requestRules: { escapedSlashes: "unescape-and-redirect" } } });
      expect(ask(mesh, "GET /a%2fb?c", [])).toBe("307 /a/b?c");
      expect(mesh.metrics()).toContain(`reason="path_redirect"} 1`);
    });

    test("with a name that has an underscore is refused where the rules say so", () => {
      const mesh = new MemoryMesh({ outbound: { requestRules: { underscores: "reject" } } });
      expect(ask(mesh, "GET /", ["x_user", "root"])).toBe("400 underscore in name");
    });

    test("cannot say in any way who calls", () => {
      const forged = "URI=spiffe://evil";
      const attempts: readonly (readonly string[])[] = [
        ["x-forwarded-client-cert", forged],
        ["x-forwarded-client-cert", forged, "x-forwarded-client-cert", `By=x;${forged}`],
        ["x_forwarded_client_cert", forged],
        ["x-forwarded_client-cert", forged],
      ];
      for (const fields of attempts) {
        const read = ask(new MemoryMesh(), "GET /", fields);
        expect(read).toBe(`GET / HTTP/1.1\r\nhost: api\r\n${told}\r\n`);
      }
    });

    test("tells the app what it says of its own way, as one list each", () => {
      const fields = ["x-forwarded-for", "9.9.9.9", "via", "1.1 edge", "x-forwarded-for", "8.8.8.8"];
      expect(ask(new MemoryMesh(), "GET /", fields)).toBe(
        `GET / HTTP/1.1\r\nhost: api\r\nx-forwarded-for: 9.9.9.9, 8.8.8.8\r\nvia: 1.1 edge\r\n${told}\r\n`,
      );
    });

    test.each(["http", "https"])("that says it was made by %s is the app's as it is", (scheme) => {
      const read = ask(new MemoryMesh(), "GET /", ["x-forwarded-proto", scheme]);
      expect(read).toBe(`GET / HTTP/1.1\r\nhost: api\r\nx-forwarded-proto: ${scheme}\r\n${xfcc}\r\n`);
    });

    test("that says it was made by two schemes is refused", () => {
      const fields = ["x-forwarded-proto", "https", "x-forwarded-proto", "http"];
      expect(ask(new MemoryMesh(), "GET /", fields)).toBe("400 conflicting forwarded");
    });

    test("with two hosts it was forwarded for is refused", () => {
      const fields = ["x-forwarded-host", "a", "x-forwarded-host", "b"];
      expect(ask(new MemoryMesh(), "GET /", fields)).toBe("400 conflicting forwarded");
    });

    test("of OPTIONS goes one proxy further for each of its Max-Forwards", () => {
      const mesh = new MemoryMesh();
      expect(ask(mesh, "OPTIONS /", ["max-forwards", "1"])).toBe("501 max-forwards reached");
      expect(ask(mesh, "OPTIONS /", ["max-forwards", "2"])).toContain("max-forwards: 0\r\n");
    });
  });
}

describe.each(["content-type", "grpc-timeout"])("the %s of a request", (name) => {
  const refused = `listener="127.0.0.1:15001",reason="duplicate_field"} 1`;

  test("that is there twice, equal or not, is refused over HTTP/1.1 and reaches no app", () => {
    for (const second of ["1S", "2S"]) {
      const mesh = new MemoryMesh();
      const client = mesh.client();
      client.send(`GET / HTTP/1.1\r\nHost: api\r\n${name}: 1S\r\nX: 1\r\n${name.toUpperCase()}: ${second}\r\n\r\n`);
      mesh.settle();
      expect(client.take()).toMatch(/^HTTP\/1\.1 400 .*\r\n\r\nduplicate field\n$/s);
      expect(mesh.apps).toEqual([]);
      expect(mesh.metrics()).toContain(refused);
    }
  });

  test("that is there twice is refused over HTTP/2 and reaches no app", () => {
    const mesh = new MemoryMesh();
    const client = new Http2Client(mesh);
    client.request("GET /", [name, "1S", "x", "1", name, "2S"]);
    expect(client.take()).toEqual(["1 reset 1 by peer"]);
    expect(mesh.apps).toEqual([]);
    expect(mesh.metrics()).toContain(refused);
  });

  test("that is there once is the app's as it is", () => {
    const mesh = new MemoryMesh();
    const read = deliver(mesh, mesh.client(), `GET / HTTP/1.1\r\nHost: api\r\n${name}: 1S\r\n\r\n`);
    expect(read).toContain(`\r\n${name}: 1S\r\n`);
  });
});

describe("a repeated request", () => {
  test("is the same to the app each time, as are those in between that differ", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    const dotted = "GET /x/../a HTTP/1.1\r\nHost: api\r\nVia: p\r\nVia: q\r\n\r\n";
    const other = "GET /x/./bb HTTP/1.1\r\nHost: api\r\nVia: r\r\nVia: q\r\n\r\n";
    for (const request of [dotted, dotted, dotted, other, other, other, dotted]) {
      const path = request === dotted ? "/a" : "/x/bb";
      const via = request === dotted ? "p, q" : "r, q";
      expect(deliver(mesh, client, request)).toBe(`GET ${path} HTTP/1.1\r\nhost: api\r\nvia: ${via}\r\n${told}\r\n`);
      expect(answer(mesh, client, ok("1"))).toBe(ok("1"));
    }
  });
});

describe("the scheme of a request", () => {
  test("is what an app hears that cannot see it", () => {
    const mesh = new MemoryMesh();
    const client = new Http2Client(mesh);
    client.send([":method", "GET", ":scheme", "https", ":authority", "api", ":path", "/"], true);
    expect(mesh.app().take()).toBe(`GET / HTTP/1.1\r\nhost: api\r\nx-forwarded-proto: https\r\n${xfcc}\r\n`);
  });

  test("is told anew by heads that differ in nothing else", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    for (const line of ["", "X-Forwarded-Proto: https\r\n", "", ""]) {
      const read = deliver(mesh, client, `GET / HTTP/1.1\r\nHost: api\r\n${line}\r\n`);
      expect(read).toContain(`x-forwarded-proto: ${line === "" ? "http" : "https"}\r\n`);
      answer(mesh, client, ok(""));
    }
  });
});

describe("fields of the way", () => {
  const names = ["X-Forwarded-For", "Forwarded", "Via", "X-Forwarded-Client-Cert", "X-Forwarded-Proto", "X-Real-IP"];

  test("stay when the sender nominates them for removal", () => {
    const mesh = new MemoryMesh();
    const lines = names.map((name) => `${name}: 1\r\n`).join("");
    const read = deliver(
      mesh,
      mesh.client(),
      `GET / HTTP/1.1\r\nHost: api\r\nConnection: ${names.join(", ")}\r\n${lines}\r\n`,
    );
    for (const name of names) {
      const shown = name === "X-Forwarded-Client-Cert" ? xfcc : `${name.toLowerCase()}: 1\r\n`;
      expect(read).toContain(shown);
    }
  });

  test.each(names)("(%s) make a request void when they stand in its trailers, over both protocols", (name) => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    const head = "POST / HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(`${head}1\r\na\r\n0\r\n${name}: 1\r\n\r\n`);
    mesh.settle();
    expect(client.take()).toStartWith("HTTP/1.1 400 ");
    const second = new Http2Client(mesh);
    const stream = second.request("POST /", [], { isEnd: false });
    second.trailers(stream, [name.toLowerCase(), "1"]);
    expect(second.take().at(-1)).toBe("1 reset 1 by peer");
  });

  test("with an underscore for a hyphen are taken out of trailers", () => {
    const mesh = new MemoryMesh();
    const client = mesh.client();
    const head = "POST / HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(`${head}0\r\nx_forwarded_for: 1\r\nx-sum: 2\r\n\r\n`);
    mesh.settle();
    expect(mesh.app().take()).toEndWith("\r\n\r\n0\r\nx-sum: 2\r\n\r\n");
  });
});

describe("a caller that speaks for others", () => {
  const element = `By=spiffe://${trustDomain}/ns/default/dc/dc1/svc/api;URI=spiffe://${trustDomain}/ns/default/dc/dc1/svc/web`;
  const request =
    "GET / HTTP/1.1\r\nHost: api\r\nX-Forwarded-Client-Cert: URI=a\r\nX-Forwarded-Client-Cert: URI=b\r\n\r\n";

  test.each([
    ["sanitize-set", `x-forwarded-client-cert: ${element}\r\n`],
    ["append-forward", `x-forwarded-client-cert: URI=a, URI=b,${element}\r\n`],
    ["sanitize", ""],
  ])("is passed on by the rule %s as that says", (clientCert, line) => {
    const mesh = new MemoryMesh({ inbound: { clientCert } });
    expect(deliver(mesh, mesh.bareCaller("web"), request)).toBe(
      `GET / HTTP/1.1\r\nhost: api\r\nx-forwarded-proto: http\r\n${line}\r\n`,
    );
  });
});
