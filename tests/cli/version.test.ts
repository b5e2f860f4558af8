import { expect, test } from "bun:test";
import { versionCommand } from "../../cli/version.ts";
import manifest from "../../package.json" with { type: "json" };
import { createFakeIo } from "./fake-io.ts";

test("version prints the version of package.json and the runtime", async () => {
  const io = createFakeIo();
  expect(await versionCommand.run([], io)).toBe(0);
  expect(io.out()).toBe(
    `Atoll v${manifest.version}\nRevision none (running from sources)\nRuntime Bun ${manifest.dependencies.bun}\n`,
  );
});

test.each([["-format=json"], ["--format=json"]])("version %s has the keys that Consul's scripts read", async (arg) => {
  const io = createFakeIo();
  expect(await versionCommand.run([arg], io)).toBe(0);
  expect(JSON.parse(io.out())).toMatchObject({
    Version: manifest.version,
    Revision: "",
    Prerelease: "",
    BuildDate: "",
  });
});

test("version refuses an output format it does not have", async () => {
  await expect(versionCommand.run(["-format=xml"], createFakeIo())).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: 'flag -format must be pretty or json, found "xml"',
  });
});
