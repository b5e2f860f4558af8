import { createServer } from "node:net";
import { expect, test } from "bun:test";
import { findFreePorts } from "../../tools/free-ports.ts";

test("free ports are all different and can be listened on", async () => {
  const ports = await findFreePorts("127.0.0.1", 8);
  expect(new Set(ports).size).toBe(8);
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(ports[7], "127.0.0.1", resolve);
  });
  await new Promise((resolve) => server.close(resolve));
});

test("an address that is not this machine's is refused", async () => {
  await expect(findFreePorts("192.0.2.1", 1)).rejects.toMatchObject({ code: "EADDRNOTAVAIL" });
});
