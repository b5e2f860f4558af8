import type { Rng } from "../sim/random.ts";
import type { Kind } from "./http1-reading.ts";

/**
 * Random HTTP/1.1: a grammar of requests and responses in which every part is now and then (`oddity` is the chance) one of
 * the forms that have been read in two ways somewhere.
 */
export class Http1Input {
  readonly #rng: Rng;
  readonly #oddity: number;

  constructor(rng: Rng) {
    this.#rng = rng;
    this.#oddity = rng.pick([0, 0.01, 0.03, 0.1, 0.3]);
  }

  /** One to four messages behind each other, one character per byte. */
  connection(kind: Kind): string {
    let text = "";
    for (let i = this.#rng.pick([1, 1, 1, 2, 2, 3, 4]); i > 0; i--) text += this.#message(kind);
    return (
      text +
      (this.#rng.chance(0.1) ? this.#rng.pick(["\r\n", "\n", "GET", "\0", "HTTP/1.1 200 OK\r\n\r\n", "0\r\n\r\n"]) : "")
    );
  }

  #usually(good: readonly string[], odd: readonly string[]): string {
    return this.#rng.pick(this.#rng.chance(this.#oddity) ? odd : good);
  }

  #message(kind: Kind): string {
    const [framing, body] = this.#body(kind);
    const own = kind === "request" ? this.#requestStart() : this.#statusLine();
    const fields = [...own.fields, ...framing];
    for (let i = this.#rng.below(4); i > 0; i--) fields.push(this.#field());
    if (this.#rng.chance(this.#oddity / 3)) for (let i = this.#rng.below(140); i > 0; i--) fields.push("X-Many: 1");
    const ordered = this.#rng.chance(0.5) ? this.#rng.shuffled(fields) : fields;
    const lines = [own.line, ...ordered].map((line) => line + this.#lineEnd()).join("");
    return lines + this.#lineEnd() + body;
  }

  #requestStart(): { line: string; fields: string[] } {
    const host = this.#usually(["a", "web.mesh:8080", "[::1]:80"], oddHosts);
    const method = this.#usually(["GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT"], oddMethods);
    const target =
      method === "CONNECT"
        ? this.#usually([host], ["a:1", "/", `${host}/`, `u@${host}`, "a:0", "*"])
        : this.#usually(
            ["/", "/a/b?c=d", "/%2e%2E/x", `http://${host}/a`],
            [...oddTargets, `http://${host}?x`, `http://u@${host}/`],
          );
    const version = this.#version();
    const blank = this.#usually([" "], ["  ", "\t", " \t", "\r", "\x0b", "\0", ""]);
    const fields = this.#rng.chance(this.#oddity) ? [] : [`${this.#case("Host")}: ${host}`];
    if (this.#rng.chance(this.#oddity / 2)) fields.push(`Host: ${this.#rng.pick([host, "b"])}`);
    return { line: `${method}${blank}${target}${this.#usually([" "], ["  ", "\t", ""])}${version}`, fields };
  }

  #statusLine(): { line: string; fields: string[] } {
    const status = this.#usually(["200", "200", "404", "204", "304", "100", "103", "101", "500"], oddStatuses);
    const reason = this.#usually([" OK", " Not Here", " ", ""], ["OK", "\tOK", "  x ", " \xe9", " \0", " a\rb"]);
    const fields = status === "101" && !this.#rng.chance(this.#oddity) ? ["Connection: upgrade", "Upgrade: x"] : [];
    return { line: `${this.#version()} ${status}${reason}`, fields };
  }

  #version(): string {
    return this.#usually(["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"], oddVersions);
  }

  #field(): string {
    const name = this.#case(this.#usually(names, oddNames));
    const value = this.#usually(values, oddValues);
    return `${name}${this.#usually([":", ": "], [" :", "\t:", ":\t ", "", ":\r\n ", ":\0", "::"])}${value}`;
  }

  /** The fields that announce a body, and a body that mostly is what they say. */
  #body(kind: Kind): [string[], string] {
    const form = this.#rng.below(kind === "request" ? 4 : 5);
    if (form === 0 || form === 4)
      return [[], this.#rng.chance(kind === "request" ? this.#oddity : 0.5) ? "left over" : ""];
    if (form === 1) {
      const body = this.#rng.pick([
        "",
        "x",
        "hello",
        "0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "y".repeat(this.#rng.below(70)),
      ]);
      const length = this.#usually([`${body.length}`], oddLengths(body.length));
      return [[this.#case("Content-Length") + this.#usually([": ", ":"], [" : ", ":\x0b", ":\r\n\t"]) + length], body];
    }
    const coding = this.#usually(["chunked", "chunked", "Chunked"], oddCodings);
    const fields = [
      `${this.#case("Transfer-Encoding")}${this.#usually([": ", ":"], [" : ", ":\x0b", ":\r\n "])}${coding}`,
    ];
    if (this.#rng.chance(this.#oddity))
      fields.push(this.#rng.pick(["Content-Length: 5", "Transfer-Encoding: chunked", "TE: x"]));
    return [fields, this.#chunks()];
  }

  #chunks(): string {
    let text = "";
    for (let i = this.#rng.below(4); i > 0; i--) {
      const data = this.#rng.pick(["x", "hello", "0\r\n\r\n", "z".repeat(this.#rng.between(1, 40))]);
      const size = data.length.toString(16);
      const written = this.#usually(
        [size, size.toUpperCase(), `0${size}`],
        [`0x${size}`, `+${size}`, ` ${size}`, `${size} `, "", "g", "fffffffffffffffff", `-${size}`, `${size}\t`],
      );
      text += `${written}${this.#extension()}${this.#lineEnd()}${data}${this.#lineEnd()}`;
    }
    text += `${this.#usually(["0", "0", "000"], ["", "0x0", "00000000000000000", "-0"])}${this.#extension()}${this.#lineEnd()}`;
    for (let i = this.#rng.pick([0, 0, 0, 1, 2]); i > 0; i--) {
      text += this.#usually(["X-Sum: 1", "grpc-status:0", "a:"], oddTrailers) + this.#lineEnd();
    }
    return text + this.#lineEnd();
  }

  #extension(): string {
    if (this.#rng.chance(0.8)) return "";
    return this.#usually([";a", ";a=b", ';a="b c"', ';a="\\"";b'], oddExtensions);
  }

  #lineEnd(): string {
    return this.#usually(["\r\n"], ["\n", "\r", "\r\r\n", " \r\n", "\r\n ", "\n\r\n", "\0\r\n", ""]);
  }

  #case(name: string): string {
    const form = this.#rng.below(4);
    return form === 0 ? name.toLowerCase() : form === 1 ? name.toUpperCase() : name;
  }
}

const oddMethods = [
  "get",
  "FOO",
  "PRI",
  "M-SEARCH",
  "SOURCE",
  "G\xc9T",
  "G:T",
  "DESCRIBE",
  "QUERY",
  "",
  "GET\t",
  "[",
  "X!#$%&'*+.^_`|~",
];
const oddHosts = [
  "",
  "a:",
  "a:b",
  "a:99999",
  "u@a",
  "a/b",
  "a b",
  "a,b",
  "a%2f",
  "[::1%25eth0]",
  "::1",
  "a\tb",
  "\xe9",
  "A",
];
const oddTargets = [
  "*",
  "//b/c",
  "/a#b",
  "a",
  "http:/a",
  "HTTP://a/",
  "https://a/",
  "http://",
  "/\xe9",
  "/a\tb",
  "/a b",
  "/\x7f",
  "/\\..\\",
  '/{}|^`"<>',
  "?x",
  "a:1",
  "/\0",
];
const oddVersions = [
  "HTTP/1.2",
  "HTTP/2.0",
  "HTTP/0.9",
  "http/1.1",
  "HTTP/1.1 ",
  "HTTP/01.1",
  "HTTP/1.10",
  "ICE/1.0",
  "RTSP/1.0",
  "HTTP/1,1",
  "HTTPS/1.1",
  "",
];
const oddStatuses = ["099", "600", "999", "20", "2000", "+20", "-1", " 200", "2 0", "205", "199", "102"];
const names = [
  "X-A",
  "Accept",
  "Connection",
  "Upgrade",
  "Expect",
  "TE",
  "Cookie",
  "Keep-Alive",
  "Proxy-Connection",
  "Trailer",
];
const oddNames = [
  "Content-Length",
  "Transfer-Encoding",
  "Content_Length",
  "Transfer\x00Encoding",
  "X A",
  "",
  "X\xe9",
  "(x)",
  "X:Y",
  "Host",
  "Content-Length\x0b",
];
const values = [
  "close",
  "keep-alive",
  "upgrade",
  "websocket",
  "100-continue",
  "trailers",
  "a, b",
  "",
  "x-a",
  "Upgrade, Keep-Alive",
  "1",
];
const oddValues = [
  "a\0b",
  "a\rb",
  "a\nb",
  "\x7f",
  "\xe9\xff",
  "a\r\n b",
  "a\r\n\tb",
  " , close ,",
  "close\xa0",
  "\x0bclose",
  '"close"',
  "5",
  "chunked",
  "close,keep-alive",
  "\t \t",
];
const oddCodings = [
  "gzip, chunked",
  "chunked, gzip",
  "chunked,chunked",
  "identity",
  "xchunked",
  "chunked ",
  " chunked\t",
  "chunked;a=b",
  '"chunked"',
  "chunked\x0b",
  "",
  "chunke",
  "chunked, ",
  ",chunked",
  "\x00chunked",
];
const oddExtensions = [
  " ;a",
  "; a",
  ";",
  ";;",
  ";a=",
  ";a=b c",
  ';a="b',
  ";\0",
  ";a\n",
  ";a\r",
  `;${"a".repeat(1100)}`,
  ";a;b=\xe9",
  ";a = b",
  " ",
  ";\t",
];
const oddTrailers = [
  "Content-Length: 5",
  "Transfer-Encoding: chunked",
  "Host: b",
  "a : b",
  " a: b",
  "a",
  ":",
  "a: b\0",
  "Connection: close",
  "Upgrade: x",
  "Content-Length: a",
  "Trailer: a",
];

function oddLengths(length: number): string[] {
  return [
    `+${length}`,
    `-${length}`,
    `${length},${length}`,
    `${length}, ${length}`,
    `0${length}`,
    `${length} `,
    `0x${length}`,
    `${length}.0`,
    "",
    `${length} ${length}`,
    `${length + 1}`,
    "18446744073709551616",
    "9007199254740993",
    `${length}\x0b`,
    `\x00${length}`,
  ];
}

const interesting = [
  "\0",
  "\t",
  "\n",
  "\x0b",
  "\r",
  " ",
  "!",
  '"',
  "#",
  ",",
  "/",
  "0",
  "1",
  ":",
  ";",
  "=",
  "?",
  "@",
  "A",
  "\\",
  "_",
  "f",
  "\x7f",
  "\x80",
  "\xa0",
  "\xff",
  "\r\n",
  "\r\n\r\n",
  "\r\n ",
];

/** `text` with a few bytes changed, doubled, moved or left out, perhaps spliced with `other`. */
export function mutated(rng: Rng, text: string, other: string): string {
  let result = text;
  for (let i = rng.pick([1, 1, 1, 2, 3, 6]); i > 0; i--) {
    const at = rng.below(result.length + 1);
    const end = Math.min(result.length, at + rng.pick([0, 1, 1, 2, 4, 16, 60]));
    const insert = rng.pick([
      () => rng.pick(interesting),
      () => String.fromCharCode(rng.below(256)),
      () => "",
      () => result.slice(at, end).repeat(2),
      () => result.slice(rng.below(result.length + 1)).slice(0, rng.below(40)),
      () => other.slice(rng.below(other.length + 1)).slice(0, rng.below(60)),
    ])();
    result = result.slice(0, at) + insert + result.slice(end);
  }
  return result.slice(0, 4000);
}
