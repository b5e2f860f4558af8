import { describe, expect, test } from "bun:test";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { defaultProxyLimits } from "../../../lib/contract/proxy-limits.ts";

const smallest = { identity: { certFile: "a", keyFile: "b", caFile: "c" }, admin: { listen: "127.0.0.1:19000" } };

function limitsOf(limits: unknown): unknown {
  const parsed = parseProxyConfig({ ...smallest, limits });
  return parsed.ok ? parsed.config.limits : parsed.issues.map(({ path, message }) => `${path}: ${message}`);
}

describe("limits", () => {
  test("have a default each, whether the section is there or not", () => {
    expect(parseProxyConfig(smallest)).toMatchObject({ ok: true, config: { limits: defaultProxyLimits } });
    expect(limitsOf({})).toEqual(defaultProxyLimits);
    expect(limitsOf({ http1: {} })).toEqual(defaultProxyLimits);
  });

  test("that are Envoy's are what Envoy has", () => {
    expect(defaultProxyLimits.http1).toMatchObject({ maxHeadBytes: 60 * 1024, maxFields: 100 });
    expect(defaultProxyLimits.http2).toMatchObject({ maxHeaderListBytes: 60 * 1024, maxFields: 100 });
  });

  test("can be set one by one, down to a bucket's half", () => {
    expect(limitsOf({ http2: { resets: { burst: 5 } } })).toEqual({
      ...defaultProxyLimits,
      http2: { ...defaultProxyLimits.http2, resets: { burst: 5, perSecond: 200 } },
    });
  });

  test("are taken at their bounds and refused beyond, by field, value and bound", () => {
    expect(limitsOf({ http1: { maxFields: 1_000, maxHeadBytes: 1024 } })).toMatchObject({
      http1: { maxFields: 1_000 },
    });
    expect(limitsOf({ http1: { maxFields: 1_001, maxHeadBytes: 1023 }, handshakes: { timeoutMs: 0 } })).toEqual([
      "limits.http1.maxHeadBytes: must be >= 1024, found 1023",
      "limits.http1.maxFields: must be <= 1000, found 1001",
      "limits.handshakes.timeoutMs: must be >= 1, found 0",
    ]);
  });

  test("that are misspelt are refused, not ignored", () => {
    expect(limitsOf({ http1: { maxHeaderBytes: 1 } })).toEqual(["limits.http1.maxHeaderBytes: unknown field"]);
  });
});
