import { expect, test } from "bun:test";
import {
  dnsSettings,
  type DnsFileSettings,
  mergeDnsSettings,
  resolveDnsSettings,
} from "../../../agent/config/dns-options.ts";
import { ttlOfService } from "../../../agent/dns/dns-settings.ts";

const resolve = (settings: DnsFileSettings) => resolveDnsSettings(settings, "dc1");

test("without any setting DNS answers as Consul does, for both zones", () => {
  expect(resolve({})).toMatchObject({
    domains: ["consul", "mesh"],
    datacenter: "dc1",
    isOnlyPassing: false,
    nodeTtlS: 0,
    udpAnswerLimit: 3,
    aRecordLimit: 0,
    isTruncationShown: false,
    isCompressed: true,
    hasNodeMetaTxt: true,
    isStaleAllowed: true,
    soa: { refreshS: 3_600, retryS: 600, expireS: 86_400, minTtlS: 0 },
    recursors: [],
    recursorOrder: "sequential",
    recursorTimeoutMs: 2_000,
  });
});

test("every key of dns_config is heeded", () => {
  const settings = resolve({
    domain: "Corp.Example.",
    altDomain: "consul",
    recursors: ["10.0.0.1", "10.0.0.2:5353", "::1", "[fd00::1]:53"],
    config: {
      allow_stale: false,
      max_stale: "5s",
      node_ttl: "10s",
      service_ttl: { "*": "1m", web: "1s", "web*": "2s" },
      only_passing: true,
      enable_truncate: true,
      disable_compression: true,
      udp_answer_limit: 5,
      a_record_limit: 2,
      enable_additional_node_meta_txt: false,
      recursor_strategy: "random",
      recursor_timeout: "500ms",
      soa: { refresh: 1, retry: 2, expire: 3, min_ttl: 4 },
    },
  });
  const { serviceTtl, ...others } = settings;
  expect(others).toEqual({
    domains: ["corp.example", "consul", "mesh"],
    datacenter: "dc1",
    isOnlyPassing: true,
    nodeTtlS: 10,
    udpAnswerLimit: 5,
    aRecordLimit: 2,
    isTruncationShown: true,
    isCompressed: false,
    hasNodeMetaTxt: false,
    soa: { refreshS: 1, retryS: 2, expireS: 3, minTtlS: 4 },
    recursors: ["10.0.0.1:53", "10.0.0.2:5353", "[::1]:53", "[fd00::1]:53"],
    recursorOrder: "random",
    recursorTimeoutMs: 500,
    isStaleAllowed: false,
    maxStaleMs: 5_000,
  });
  expect(["web", "webshop", "db"].map((name) => ttlOfService(serviceTtl, name))).toEqual([1, 2, 60]);
});

test("a later file wins key by key, and recursors are joined", () => {
  const merged = mergeDnsSettings(
    { domain: "a", recursors: ["10.0.0.1"], config: { only_passing: true, node_ttl: "1s" } },
    { altDomain: "b", recursors: ["10.0.0.2"], config: { node_ttl: "2s" } },
  );
  expect(merged).toEqual({
    domain: "a",
    altDomain: "b",
    recursors: ["10.0.0.1", "10.0.0.2"],
    config: { only_passing: true, node_ttl: "2s" },
  });
  expect(dnsSettings({ config: undefined, domain: undefined, altDomain: undefined, recursors: [] })).toBeUndefined();
});

test.each([
  [{ domain: "a..b" }, 'domain and alt_domain must be DNS names such as "consul", found "a..b"'],
  [{ domain: "a b" }, "domain and alt_domain must be DNS names"],
  [
    { recursors: ["dns.example.com"] },
    'recursors must be IP addresses, with a port or without, found "dns.example.com"',
  ],
  [{ recursors: ["10.0.0.1:0"] }, "recursors must be IP addresses"],
  [{ config: { node_ttl: "soon" } }, 'dns_config.node_ttl must be a duration such as "10s", found "soon"'],
  [{ config: { service_ttl: { web: "-1s" } } }, 'dns_config.service_ttl["web"] must be a duration'],
])("%j is refused", (settings, message) => {
  expect(() => resolve(settings)).toThrow(message);
});
