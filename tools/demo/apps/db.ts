/**
 * The database of the demo: a TCP server that knows nothing of HTTP or the mesh. A line `get KEY` is answered by a line.
 * Arguments: the demo's folder (so that the process can be found again) and the address to listen on.
 */
import { createServer } from "node:net";
import { parseHostPort } from "../../../lib/contract/address.ts";

const listen = parseHostPort(process.argv[3] ?? "");
if (listen === undefined) throw new Error("usage: db.ts FOLDER HOST:PORT");
const maxLineBytes = 1024;

createServer((socket) => {
  let pending = "";
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    pending += chunk.toString("latin1");
    for (let end = pending.indexOf("\n"); end !== -1; end = pending.indexOf("\n")) {
      const key = /^get (\w+)$/.exec(pending.slice(0, end))?.[1];
      socket.write(key === undefined ? "error: say get KEY\n" : `${key} of db, process ${process.pid}\n`);
      pending = pending.slice(end + 1);
    }
    if (pending.length > maxLineBytes) socket.destroy();
  });
}).listen(listen.port, listen.host, () => console.log(`db listens on ${process.argv[3]}`));
