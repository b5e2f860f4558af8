import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type HostFacts, resolveAgentOptions } from "../../../agent/config/agent-options.ts";
import { readConfigFiles } from "../../../agent/config/config-file.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";

const host: HostFacts = { hostName: "vm1", addresses: ["10.0.0.1"], workingDir: "/" };
const hourMs = 3_600_000;

async function leaseOf(file: object) {
  using dir = createTempDir();
  const path = join(dir.path, "agent.json");
  writeFileSync(path, JSON.stringify(file));
  const { settings, warnings } = await readConfigFiles([path]);
  expect(warnings).toEqual([]);
  const options = resolveAgentOptions({ ...settings, isDev: true }, host);
  return { ...options.lease, meta: options.nodeMeta };
}

test("the class of a node is its meta, however it is set, and brings its terms", async () => {
  expect(await leaseOf({})).toEqual({ Class: "default", TtlMs: 8_000, ReapAfterMs: 72 * hourMs, meta: {} });
  const ephemeral = { Class: "ephemeral", TtlMs: 8_000, ReapAfterMs: hourMs, meta: { "atoll-class": "ephemeral" } };
  expect(await leaseOf({ node_meta: { "atoll-class": "ephemeral" } })).toEqual(ephemeral);
  expect(await leaseOf({ lease: { class: "ephemeral" } })).toEqual(ephemeral);
});

test("single terms replace those of the class; reconnect_timeout is Consul's word for the reap time", async () => {
  const file = { node_meta: { "atoll-class": "ephemeral" }, lease: { ttl: "3s", reap_after: "10m" } };
  expect(await leaseOf(file)).toMatchObject({ Class: "ephemeral", TtlMs: 3_000, ReapAfterMs: 600_000 });
  expect(await leaseOf({ reconnect_timeout: "8h" })).toMatchObject({ Class: "default", ReapAfterMs: 8 * hourMs });
});

test("terms that cannot be kept are refused with the key and its bounds", async () => {
  await expect(leaseOf({ lease: { ttl: "100ms" } })).rejects.toThrow("lease.ttl must be 1s to 10m, found 100 ms");
  await expect(leaseOf({ lease: { reap_after: "-1s" } })).rejects.toThrow(
    'lease.reap_after: must be a duration such as "5m"',
  );
});
