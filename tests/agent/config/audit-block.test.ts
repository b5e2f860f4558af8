import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readConfigFiles } from "../../../agent/config/config-file.ts";
import { createTempDir } from "../../fakes/temp-dir.ts";

async function read(audit: unknown): Promise<unknown> {
  using dir = createTempDir();
  const path = join(dir.path, "agent.json");
  writeFileSync(path, JSON.stringify({ audit }));
  try {
    const { settings, warnings } = await readConfigFiles([path]);
    return warnings.length > 0 ? warnings.map((line) => line.replace(path, "FILE")) : settings.audit;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message.replaceAll(path, "FILE") : thrown;
  }
}

const sink = { type: "file", format: "json", path: "/var/log/audit.json", delivery_guarantee: "best-effort" };
const rotated = { ...sink, rotate_duration: "24h", rotate_bytes: 25_165_824, rotate_max_files: 15 };

test("the block is read as Consul writes it", async () => {
  expect(await read({ enabled: true, sink: { "My sink": { ...rotated, mode: "0640" } } })).toEqual({
    isEnabled: true,
    sinks: [
      {
        name: "My sink",
        path: "/var/log/audit.json",
        rotateBytes: 25_165_824,
        rotateDurationMs: 86_400_000,
        rotateMaxFiles: 15,
        mode: 0o640,
      },
    ],
  });
  expect(await read({ sink: { a: { path: "a", rotate_bytes: 1 } } })).toMatchObject({
    isEnabled: false,
    sinks: [{ mode: 0o600, rotateMaxFiles: 0, rotateDurationMs: 0 }],
  });
  expect(await read({})).toEqual({ isEnabled: false, sinks: [] });
});

test.each<[unknown, string]>([
  [{ enabled: true }, "audit.sink: is missing: name a file to write to"],
  [{ enabled: true, sink: { a: sink } }, 'audit.sink."a": needs rotate_bytes or rotate_duration'],
  [{ sink: { a: { ...rotated, type: "syslog" } } }, 'audit.sink."a".type: must be "file", found "syslog"'],
  [{ sink: { a: { ...rotated, format: "xml" } } }, 'audit.sink."a".format: must be "json", found "xml"'],
  [{ sink: { a: { ...rotated, delivery_guarantee: "enforced" } } }, 'must be "best-effort", found "enforced"'],
  [{ sink: { a: { ...rotated, rotate_duration: "soon" } } }, 'must be a duration such as "24h", found "soon"'],
  [{ sink: { a: { ...rotated, mode: "0444" } } }, "read and write for the owner, found 0444"],
  [{ sink: { a: { rotate_bytes: 1 } } }, 'audit.sink."a".path: is missing'],
  [{ sink: { a: rotated, b: rotated } }, '"/var/log/audit.json" is the path of two sinks'],
])("%j is refused", async (block, message) => {
  expect(await read(block)).toContain(message);
});

test("an unknown key is warned about", async () => {
  expect(await read({ enable: true })).toEqual([
    'config file FILE: "audit.enable" is not a known key and is ignored (did you mean "audit.enabled"?)',
  ]);
});

test("HCL names a sink by the label of its block", async () => {
  const { settings, warnings } = await readConfigFiles([], {
    fragments: [`audit { enabled = true sink "a" { path = "/var/log/audit.json" rotate_bytes = 1 mode = "0640" } }`],
  });
  expect(warnings).toEqual([]);
  expect(settings.audit).toMatchObject({
    isEnabled: true,
    sinks: [{ name: "a", path: "/var/log/audit.json", mode: 0o640 }],
  });
});

test("HCL gives the same", async () => {
  using dir = createTempDir();
  const path = join(dir.path, "agent.hcl");
  writeFileSync(
    path,
    'audit { enabled = true\n sink "My sink" { path = "/a.json", rotate_duration = "1h", mode = 0640 } }',
  );
  const { settings, warnings } = await readConfigFiles([path]);
  expect([settings.audit?.isEnabled, warnings]).toEqual([true, []]);
  expect(settings.audit?.sinks).toMatchObject([{ name: "My sink", rotateDurationMs: 3_600_000, mode: 0o640 }]);
});
