import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "../../../lib/base/logger.ts";
import { parseHostPort } from "../../../lib/contract/address.ts";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { readProxyConfigFile } from "../../../proxy/config-source/file.ts";

/** Documents and names that have broken the programs that read them; see `tests/ATTACKS.md`. */
const directory = mkdtempSync(join(tmpdir(), "atoll-config-attacks-"));
afterAll(() => rmSync(directory, { recursive: true }));

const smallest = {
  identity: { certFile: "a", keyFile: "b", caFile: "c" },
  admin: { listen: "127.0.0.1:19000" },
};

function issuesOf(value: unknown): readonly string[] {
  const parsed = parseProxyConfig(value);
  return parsed.ok ? [] : parsed.issues.map((issue) => `${issue.path}: ${issue.message}`);
}

describe("a proxy's document", () => {
  test("cannot reach the prototype of everything (__proto__)", () => {
    for (const key of ["__proto__", "constructor", "prototype"]) {
      const text = JSON.stringify(smallest).replace(/\}$/, `,"${key}":{"polluted":true}}`);
      expect(issuesOf(JSON.parse(text)).join()).toContain(key);
      const nested = JSON.stringify(smallest).replace('"certFile"', `"${key}":{"polluted":true},"certFile"`);
      expect(issuesOf(JSON.parse(nested)).join()).toContain(key);
    }
    expect(Reflect.get({}, "polluted")).toBeUndefined();
    expect(issuesOf(smallest)).toEqual([]);
  });

  test("of JSON without end in its depth is an error, not a crash (CVE-2026-48042)", () => {
    const path = join(directory, "deep.json");
    for (const text of ["[".repeat(1_000_000), `${"[".repeat(5_000)}${"]".repeat(5_000)}`, '{"a":'.repeat(100_000)]) {
      writeFileSync(path, text);
      expect(() => readProxyConfigFile(path)).toThrow(path);
    }
  });

  test("has no expressions for callers: a source that is one is refused by its field (2026-006)", () => {
    for (const source of ["spiffe://(a+)+$/ns/default/dc/*/svc/web", "spiffe://*/ns/default/dc/.*/svc/web"]) {
      const inbound = {
        service: "web",
        listen: "127.0.0.1:20000",
        app: "127.0.0.1:8080",
        intentions: { default: "deny", rules: [{ source, action: "allow" }] },
      };
      expect(issuesOf({ ...smallest, inbound: [inbound] })).toEqual([
        expect.stringContaining("inbound[0].intentions.rules[0].source: must be a SPIFFE id"),
      ]);
    }
  });

  test("takes no scoped address, and does not fall over one (CVE-2026-26310)", () => {
    expect(parseHostPort("[fe80::1%eth0]:80")).toBeUndefined();
    expect(issuesOf({ ...smallest, admin: { listen: "[fe80::1%eth0]:80" } })).toEqual([
      'admin.listen: must be host:port with a port from 0 to 65535, found "[fe80::1%eth0]:80"',
    ]);
  });

  test("of another version of the schema is refused, and one that names none is of this one", () => {
    const parsed = parseProxyConfig(smallest);
    expect(parsed.ok && parsed.config.schemaVersion).toBe(1);
    expect(issuesOf({ ...smallest, schemaVersion: 2 })).toEqual([expect.stringMatching(/^schemaVersion: must be .*1/)]);
  });

  test("without roots is no document (GHSA-qm8v-g4f9-qhjx)", () => {
    expect(issuesOf({ ...smallest, identity: { certFile: "a", keyFile: "b" } })).toEqual([
      "identity.caFile: is required",
    ]);
  });
});

test("a name from outside cannot begin a new line of the log (CVE-2024-45808)", () => {
  for (const format of ["text", "json"] as const) {
    const lines: string[] = [];
    const logger = createLogger({
      component: "proxy",
      level: "info",
      format,
      nowMs: () => 0,
      write: (l) => lines.push(l),
    });
    const name = 'web\r\n1970-01-01 [ERROR] forged\u2028\x1b[2J"';
    logger.info(`refused ${name}`, { serverName: name });
    expect(lines.length).toBe(1);
    expect(lines[0]).not.toMatch(/\p{Cc}/u);
  }
});
