import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import type { CaRootFields, Command } from "../../../lib/contract/commands.ts";
import { logIndex } from "../../../lib/contract/ids.ts";
import { ensureAuthority } from "../../../server/ca/ensure-authority.ts";
import { createTestRuntime } from "../../fakes/test-runtime.ts";

/** A log whose only state is the root; the first one proposed stays, as the command promises. */
function createRootLog() {
  let roots: readonly CaRootFields[] = [];
  const proposed: Command[] = [];
  return {
    proposed,
    roots: () => roots,
    log: {
      async propose(command: Command) {
        proposed.push(command);
        if (command.type === "ca-initialize") roots = roots.length > 0 ? roots : [command.root];
        return { index: logIndex(proposed.length), result: { ok: true, applied: true } as const };
      },
    },
  };
}

test("the first server proposes a root, later ones find it", async () => {
  const { log, roots, proposed } = createRootLog();
  const options = { log, roots, datacenter: "dc1", currentIndex: () => 1 };
  const first = await ensureAuthority({ ...options, runtime: createTestRuntime({ seed: 1 }) });
  const second = await ensureAuthority({ ...options, runtime: createTestRuntime({ seed: 2 }) });
  expect(proposed.map((command) => command.type)).toEqual(["ca-initialize"]);
  expect(second.rootPem).toBe(first.rootPem);
  expect(first.trustDomain).toBe(`${first.clusterId}.consul`);
});

test("two servers that propose at once end up with one root", async () => {
  const { log, roots, proposed } = createRootLog();
  const racing = {
    async propose(command: Command) {
      await Promise.resolve();
      return log.propose(command);
    },
  };
  const options = { log: racing, roots, datacenter: "dc1", currentIndex: () => 1 };
  const [a, b] = await Promise.all([
    ensureAuthority({ ...options, runtime: createTestRuntime({ seed: 1 }) }),
    ensureAuthority({ ...options, runtime: createTestRuntime({ seed: 2 }) }),
  ]);
  expect(proposed).toHaveLength(2);
  expect(a.rootPem).toBe(b.rootPem);
});

test("the record of the root describes its certificate, and the log line holds no key", async () => {
  const { log, roots } = createRootLog();
  const runtime = createTestRuntime();
  await ensureAuthority({ log, roots, datacenter: "dc1", currentIndex: () => 1, runtime });
  const [root] = roots();
  const certificate = new X509Certificate(root?.certPem ?? "");
  expect(root?.id).toBe(certificate.fingerprint.toLowerCase());
  expect(root?.serialNumber).toBe(Number.parseInt(certificate.serialNumber, 16));
  expect(Number.isSafeInteger(root?.serialNumber)).toBe(true);
  expect(Date.parse(root?.notAfter ?? "")).toBe(Date.parse(certificate.validTo));
  expect(root?.signingKeyId).toMatch(/^[0-9a-f]{2}(:[0-9a-f]{2}){19}$/);
  expect(runtime.lines.join("\n")).not.toContain("PRIVATE");
});
