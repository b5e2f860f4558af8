/**
 * `replicas.ts CONTROL FIRST COUNT`: servers on COUNT ports of 127.0.0.1 from FIRST on, which answer each request after a delay and
 * have room for any number of them. POST /delay?replica=N&ms=M on the port CONTROL changes one of them, GET /counts tells how many
 * requests each has had.
 */
const [control = 0, first = 0, count = 0] = process.argv.slice(2).map(Number);
const delaysMs = new Array<number>(count).fill(0);
const requests = new Array<number>(count).fill(0);
const body = "x".repeat(100);
const neverIdle = { hostname: "127.0.0.1", idleTimeout: 0 };

for (let i = 0; i < count; i++) {
  Bun.serve({
    ...neverIdle,
    port: first + i,
    async fetch() {
      requests[i] = (requests[i] ?? 0) + 1;
      await Bun.sleep(delaysMs[i] ?? 0);
      return new Response(body);
    },
  });
}

Bun.serve({
  ...neverIdle,
  port: control,
  fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/delay") delaysMs[Number(searchParams.get("replica"))] = Number(searchParams.get("ms"));
    return Response.json(requests);
  },
});
