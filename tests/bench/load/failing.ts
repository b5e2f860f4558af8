/**
 * `failing.ts PORT`: answers each request with 200 or, by chance, 503, after a delay. POST /set?failing=PERCENT&ms=M changes both and
 * counts from nothing again, GET /count tells how many requests have come since.
 */
export {};

const port = Number(process.argv[2]);
let failingPercent = 0;
let delayMs = 0;
let requests = 0;

Bun.serve({
  hostname: "127.0.0.1",
  idleTimeout: 0,
  port,
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/set") {
      failingPercent = Number(searchParams.get("failing"));
      delayMs = Number(searchParams.get("ms"));
      requests = 0;
    }
    if (pathname !== "/") return Response.json(requests);
    requests++;
    if (delayMs > 0) await Bun.sleep(delayMs);
    return Math.random() * 100 < failingPercent ? new Response("no", { status: 503 }) : new Response("yes");
  },
});
