/** The application's end of a connection, whatever carries it. */
export interface AppSocket {
  write(text: string): void;
  end(): void;
  /** Ends it without ceremony: what waits is lost, the peer sees a reset. */
  reset(): void;
}

/** One way for an application to fail. */
export interface Fault {
  readonly name: string;
  /** What the client sends; GET unless said otherwise. */
  readonly request?: "get" | "post" | "post-unfinished";
  /** The application gets a request: the `turn`th of all, on any connection. Nothing, when nobody listens. */
  readonly play?: (socket: AppSocket, turn: number) => void;
  /** What the client sees: over HTTP/1.1, and over HTTP/2 when that differs. */
  readonly sees: string;
  readonly seesHttp2?: string;
  /** It only shows when something has not moved for the proxies' idle time. */
  readonly isSlow?: boolean;
}

export const good = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";
const half = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf";
const chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const says =
  (text: string) =>
  (socket: AppSocket): void =>
    socket.write(text);
const saysAndEnds =
  (text: string) =>
  (socket: AppSocket): void => {
    if (text !== "") socket.write(text);
    socket.end();
  };

/**
 * Every fault and what its client has to see. Statuses as Envoy's users know them: 503 when the application could not be
 * reached or went away without a word, 502 when its words are no response, 504 when they do not come. What had begun when the
 * fault showed is cut: over HTTP/1.1 the connection ends before the message does, over HTTP/2 the stream is reset.
 */
export const faults: readonly Fault[] = [
  { name: "nobody listens", sees: "503" },
  { name: "closes without a byte", play: saysAndEnds(""), sees: "503" },
  { name: "resets without a byte", play: (socket) => socket.reset(), sees: "503" },
  { name: "closes without a byte, for a POST", request: "post", play: saysAndEnds(""), sees: "503" },
  { name: "closes in half a head", play: saysAndEnds("HTTP/1.1 200 OK\r\nContent-"), sees: "502" },
  { name: "closes in half a body", play: saysAndEnds(half), sees: "200 half, cut" },
  { name: "closes in half a chunk", play: saysAndEnds(`${chunkedHead}8\r\nhalf`), sees: "200 half, cut" },
  { name: "closes before the last chunk", play: saysAndEnds(`${chunkedHead}4\r\nhalf\r\n`), sees: "200 half, cut" },
  { name: "never answers", play: () => undefined, sees: "504", isSlow: true },
  { name: "hangs in half a head", play: says("HTTP/1.1 200 OK\r\n"), sees: "504", isSlow: true },
  { name: "hangs in half a body", play: says(half), sees: "200 half, cut", isSlow: true },
  {
    name: "never answers, and the client does not finish",
    request: "post-unfinished",
    play: () => undefined,
    sees: "408",
    isSlow: true,
  },
  { name: "is not HTTP", play: says("SSH-2.0-OpenSSH_9.2\r\n\r\n"), sees: "502" },
  { name: "speaks HTTP/0.9", play: saysAndEnds("<html>good</html>"), sees: "502" },
  { name: "speaks HTTP/2", play: says("\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"), sees: "502" },
  {
    name: "says two lengths",
    play: says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\ngood"),
    sees: "502",
  },
  {
    name: "says a length and chunks",
    play: says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"),
    sees: "502",
  },
  {
    name: "has a NUL in a field",
    play: says("HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 4\r\n\r\ngood"),
    sees: "502",
  },
  { name: "sends a bad chunk", play: says(`${chunkedHead}4\r\nhalf\r\nzz\r\n`), sees: "200 half, cut" },
  { name: "sends an endless head", play: says(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(300_000)}`), sees: "502" },
  {
    name: "sends interim answers without end",
    play: says("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(5_000)),
    sees: "502",
  },
  {
    name: "switches protocols unasked",
    play: says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    sees: "502",
  },
  { name: "closes each connection behind its answer", play: saysAndEnds(good), sees: "200 good" },
  {
    name: "says close and lingers",
    play: says(good.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")),
    sees: "200 good",
  },
  {
    name: "says more than its length",
    play: says(`${good}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`),
    sees: "200 good",
  },
  { name: "sends a body with 204", play: says("HTTP/1.1 204 No Content\r\n\r\npoison"), sees: "204" },
  {
    name: "answers before the body has come",
    request: "post-unfinished",
    play: says(good.replace("200 OK", "413 Too Large")),
    sees: "413",
  },
  {
    name: "answers before the body has come and closes",
    request: "post-unfinished",
    play: saysAndEnds(good.replace("200 OK", "413 Too Large")),
    sees: "413",
  },
  { name: "ends its answer by closing", play: saysAndEnds("HTTP/1.1 200 OK\r\n\r\ngood"), sees: "200 good" },
];
