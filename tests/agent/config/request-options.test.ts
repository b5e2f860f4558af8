import { expect, test } from "bun:test";
import { isDeepStrictEqual } from "node:util";
import { type AgentOptions, resolveAgentOptions } from "../../../agent/config/agent-options.ts";
import { mergeSettings, noSettings } from "../../../agent/config/agent-settings.ts";
import { readConfigFiles } from "../../../agent/config/config-file.ts";
import { debugConfig } from "../../../agent/config/debug-config.ts";
import { afterReload, needsRestart } from "../../../agent/config/needs-restart.ts";
import { type RequestSettings, resolveRequestLimits } from "../../../agent/config/request-options.ts";
import { defaultRequestLimits } from "../../../lib/contract/request-limits.ts";

const host = { hostName: "vm-1", addresses: ["10.0.0.9"], workingDir: "/work" };

async function optionsOf(hcl: string): Promise<AgentOptions> {
  const { settings, notes, warnings } = await readConfigFiles([], { fragments: [hcl] });
  expect([...notes, ...warnings]).toEqual([]);
  return resolveAgentOptions(mergeSettings(settings, { ...noSettings, isDev: true }), host);
}

const everything = `
  session_ttl_min = "20s"
  default_query_time = "1m"
  max_query_time = "2m"
  discovery_max_stale = "5s"
  default_intention_policy = "deny"
  discard_check_output = true
  limits { kv_max_value_size = 1000000  txn_max_req_len = 2000000 }
`;

test("limits of requests are read, have Consul's defaults, and are shown by Consul's names", async () => {
  expect(resolveRequestLimits({})).toEqual(defaultRequestLimits);
  expect(resolveRequestLimits({ sessionTtlMin: "0s", defaultQueryTime: "0s", maxQueryTime: "0" })).toEqual(
    defaultRequestLimits,
  );
  const options = await optionsOf(everything);
  expect(options).toMatchObject({
    discardsCheckOutput: true,
    defaultIntentionPolicy: "deny",
    requests: {
      kvMaxValueBytes: 1_000_000,
      txnMaxBytes: 2_000_000,
      sessionTtlMinMs: 20_000,
      defaultQueryMs: 60_000,
      maxQueryMs: 120_000,
      discoveryMaxStaleMs: 5_000,
    },
  });
  expect(debugConfig(options)).toMatchObject({
    DefaultIntentionPolicy: "deny",
    DefaultQueryTime: "1m0s",
    DiscardCheckOutput: true,
    DiscoveryMaxStale: "5s",
    KVMaxValueSize: 1_000_000,
    MaxQueryTime: "2m0s",
    SessionTTLMin: "20s",
    TxnMaxReqLen: 2_000_000,
  });
});

const refusals: [RequestSettings, string][] = [
  [{ sessionTtlMin: "soon" }, 'session_ttl_min must be a duration such as "30s", found "soon"'],
  [{ sessionTtlMin: "25h" }, "session_ttl_min is 25h: it must be 24h or less"],
  [{ maxQueryTime: "-1s" }, 'max_query_time must be a duration such as "30s", found "-1s"'],
  [{ kvMaxValueBytes: 3_000_001 }, "limits.kv_max_value_size is 3000001: at most 3000000 bytes"],
  [{ txnMaxBytes: 4_000_001 }, "limits.txn_max_req_len is 4000001: at most 4000000 bytes"],
];
test.each(refusals)("%j is refused by name", (settings, message) => {
  expect(() => resolveRequestLimits(settings)).toThrow(message);
});

test("an intention policy that is none is refused", async () => {
  await expect(optionsOf('default_intention_policy = "maybe"')).rejects.toThrow(
    'default_intention_policy must be allow or deny, found "maybe"',
  );
  expect(Object.keys(await optionsOf('default_intention_policy = ""'))).not.toContain("defaultIntentionPolicy");
});

test("a reload takes over DNS and whether check output is kept, and names each key that has to wait", async () => {
  const running = await optionsOf("");
  const next = await optionsOf(`${everything} dns_config { node_ttl = "3s" }`);
  expect(needsRestart(running, next)).toEqual([
    "default_intention_policy",
    "limits.kv_max_value_size",
    "limits.txn_max_req_len",
    "session_ttl_min",
    "default_query_time",
    "max_query_time",
    "discovery_max_stale",
  ]);
  const inForce = afterReload(running, next);
  expect(inForce).toMatchObject({ discardsCheckOutput: true, dns: { nodeTtlS: 3 } });
  expect(isDeepStrictEqual(inForce.requests, running.requests)).toBe(true);
});
