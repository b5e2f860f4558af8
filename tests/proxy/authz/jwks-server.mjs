// Serves the key set that it is given as its only argument, and prints its port. `/down` has none, `/count` says how often it was asked.
import { createServer } from "node:http";

let count = 0;
const server = createServer((request, response) => {
  if (request.url === "/count") {
    response.end(`${count}`);
    return;
  }
  count++;
  if (request.url === "/down") response.writeHead(503);
  response.end(request.url === "/down" ? "" : process.argv[2]);
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
