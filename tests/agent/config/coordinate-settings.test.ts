import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { resolveAgentOptions } from "../../../agent/config/agent-options.ts";
import { readConfigFiles } from "../../../agent/config/config-file.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";

const host = { hostName: "vm-1", addresses: [], workingDir: "/w" };

async function coordinatesOf(file: object) {
  using dir = createTempDir();
  const path = join(dir.path, "agent.json");
  writeFileSync(path, JSON.stringify(file));
  const { settings } = await readConfigFiles([path]);
  return resolveAgentOptions({ ...settings, isDev: true }, host).coordinates;
}

test("coordinates have Consul's defaults, and each can be set", async () => {
  expect(await coordinatesOf({})).toEqual({ isEnabled: true, rateTarget: 64, intervalMinMs: 15_000 });
  const file = { disable_coordinates: true, sync_coordinate_rate_target: 0.5, sync_coordinate_interval_min: "1m" };
  expect(await coordinatesOf(file)).toEqual({ isEnabled: false, rateTarget: 0.5, intervalMinMs: 60_000 });
});

test("a rate of nothing, or words without a pause, are refused", async () => {
  await expect(coordinatesOf({ sync_coordinate_rate_target: 0 })).rejects.toThrow(
    "sync_coordinate_rate_target must be above 0 per second, found 0",
  );
  await expect(coordinatesOf({ sync_coordinate_interval_min: "10ms" })).rejects.toThrow(
    "sync_coordinate_interval_min must be at least 1s, found 10 ms",
  );
  await expect(coordinatesOf({ sync_coordinate_interval_min: "soon" })).rejects.toThrow(
    'sync_coordinate_interval_min: must be a duration such as "5m"',
  );
});
