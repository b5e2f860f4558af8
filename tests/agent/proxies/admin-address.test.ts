import { expect, test } from "bun:test";
import { adminAddress } from "../../../agent/proxies/admin-address.ts";
import { sidecar } from "../sidecar-fixtures.ts";

const options = { bindAddress: "127.0.0.5", sidecarMinPort: 21_000, adminMinPort: 19_000 };

test.each([
  ["follows the sidecar's port, on the agent's loopback address", 21_003, {}, "127.0.0.5:19003"],
  ["is any port for a sidecar far off", 1_000, {}, "127.0.0.5:0"],
  ["is what the registration says", 21_003, { admin_bind_address: "127.0.0.9", admin_bind_port: 7 }, "127.0.0.9:7"],
  ["may be written as text", 21_003, { admin_bind_port: "7" }, "127.0.0.5:7"],
  ["is not what nobody could listen on", 21_003, { admin_bind_port: 70_000 }, "127.0.0.5:19003"],
])("the admin address %s", (_what, Port, Config, address) => {
  expect(adminAddress(sidecar({ Port, proxy: { Config } }), options)).toBe(address);
});

test("the admin address stays on loopback when the agent does not", () => {
  expect(adminAddress(sidecar({ Port: 21_000 }), { ...options, bindAddress: "10.0.0.1" })).toBe("127.0.0.1:19000");
});
