/**
 * `backend.ts NAME PORT`: a small application that says who it is, and fails while it is told to: `POST /fail`, `POST /work`.
 */
const [name = "", port = "0"] = process.argv.slice(2);
let isFailing = false;

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (request.method === "POST") {
      isFailing = pathname === "/fail";
      return new Response("");
    }
    return new Response(name, { status: isFailing ? 500 : 200, headers: { "x-backend": name } });
  },
});
