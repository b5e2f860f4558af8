import { expect, test } from "bun:test";
import { mustGet } from "../../../lib/base/assert.ts";
import { parseProxyConfig, type ProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { listSettings, sourcesByPath, sourcesOfDocument } from "../../../lib/contract/setting-sources.ts";

const document = {
  identity: { certFile: "a", keyFile: "b", caFile: "c" },
  admin: { listen: "127.0.0.1:19000" },
  outbound: [
    { service: "web", listen: "127.0.0.1:1", endpoints: [{ address: "127.0.0.1:2" }], connectTimeoutMs: 5_000 },
    { service: "api", listen: "127.0.0.1:3" },
  ],
};

function parsed(): ProxyConfig {
  const result = parseProxyConfig(document);
  return mustGet(result.ok ? result.config : undefined, "the document is valid");
}

test("each value says whether it was given or is a default, also one given as the default is", () => {
  const settings = listSettings(parsed(), sourcesOfDocument(document, "proxy.json"));
  const at = (path: string): unknown[] =>
    settings.filter((one) => one.path === path).map((one) => [one.value, one.source]);
  expect(at("identity.certFile")).toEqual([["a", "proxy.json"]]);
  expect(at("outbound[0].connectTimeoutMs")).toEqual([[5_000, "proxy.json"]]);
  expect(at("outbound[1].connectTimeoutMs")).toEqual([[5_000, "default"]]);
  expect(at("outbound[0].endpoints[0].address")).toEqual([["127.0.0.1:2", "proxy.json"]]);
  expect(at("outbound[0].endpoints[0].weight")).toEqual([[1, "default"]]);
  expect(at("outbound[1].endpoints")).toEqual([[[], "default"]]);
  expect(at("limits.http1.maxFields")).toEqual([[100, "default"]]);
  expect(at("inbound")).toEqual([[[], "default"]]);
});

test("no value of the document is left out", () => {
  const settings = listSettings(parsed(), sourcesOfDocument(document, "proxy.json"));
  const texts = JSON.stringify(parsed()).match(/(?:[:,]|\[)("[^"]*"(?!:)|\d+|true|false)|:\[\]|:\{\}/g);
  expect(settings).toHaveLength(texts?.length ?? 0);
});

test("of several authors the one who said the most particular thing is named", () => {
  const sources = sourcesByPath({
    outbound: "registration",
    "outbound[1]": "service-defaults",
    "outbound[1].endpoints": "catalog",
  });
  expect(sources("outbound[0].listen")).toBe("registration");
  expect(sources("outbound[1].listen")).toBe("service-defaults");
  expect(sources("outbound[1].endpoints[3].address")).toBe("catalog");
  expect(sources("outbound[10].listen")).toBe("registration");
  expect(sources("outboundish")).toBeUndefined();
  expect(sources("inbound")).toBeUndefined();
});
