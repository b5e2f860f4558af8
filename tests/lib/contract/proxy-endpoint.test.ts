import { describe, expect, test } from "bun:test";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";
import { patternOfService } from "../../../lib/contract/spiffe.ts";

function issues(outbound: object): unknown {
  const parsed = parseProxyConfig({
    identity: { certFile: "a", keyFile: "b", caFile: "c" },
    outbound: [{ service: "api", listen: "127.0.0.1:1", protocol: "http", ...outbound }],
    admin: { listen: "127.0.0.1:2" },
  });
  return parsed.ok ? [] : parsed.issues;
}
const endpoints = (fields: object) => [{ address: "127.0.0.1:3" }, { address: "127.0.0.1:4", ...fields }];

describe("an endpoint's own service", () => {
  test.each([
    [{ endpoints: endpoints({ service: "other" }) }],
    [
      {
        endpoints: endpoints({ service: "other", serverName: "o" }),
        peerIdentity: "spiffe://*/ns/default/dc/*/svc/api",
      },
    ],
    [{ endpoints: endpoints({ service: "other" }), peerIdentity: "spiffe://t/ns/default/dc/d/svc/*" }],
  ])("may be %j", (outbound) => {
    expect(issues(outbound)).toEqual([]);
  });

  test("needs a name that an identity can have", () => {
    expect(issues({ endpoints: endpoints({ service: "a/b" }) })).toMatchObject([
      { path: "outbound[0].endpoints[1].service" },
    ]);
  });

  test("needs an identity of the cluster in which a service can stand", () => {
    const peerIdentity = "spiffe://t/agent/server/dc/d";
    const message = `needs a peerIdentity that ends in /svc/ and one segment, found "${peerIdentity}"`;
    expect(issues({ endpoints: endpoints({ service: "other" }), peerIdentity })).toEqual([
      { path: "outbound[0].endpoints[1].service", message },
    ]);
    expect(
      issues({ clusters: [{ name: "x", endpoints: endpoints({ service: "other" }), peerIdentity }] }),
    ).toMatchObject([{ path: "outbound[0].clusters[0].endpoints[1].service", message }]);
    expect(issues({ endpoints: endpoints({}), peerIdentity })).toEqual([]);
  });

  test("has to be there beside a server name", () => {
    expect(issues({ endpoints: endpoints({ serverName: "o" }) })).toEqual([
      { path: "outbound[0].endpoints[1].serverName", message: 'needs a service beside it, found "o" alone' },
    ]);
  });
});

test.each([
  ["spiffe://t/ns/default/dc/*/svc/api", "spiffe://t/ns/default/dc/*/svc/other"],
  ["spiffe://*/ns/default/dc/d/svc/*", "spiffe://*/ns/default/dc/d/svc/other"],
  ["spiffe://t/ns/default/dc/d/x/api", undefined],
  ["spiffe://t/ns/default/dc/d/svc", undefined],
  ["spiffe://t/ns/default/dc/d/svc/api/more", undefined],
  ["spiffe://t/agent/client/dc/d/id/n", undefined],
])("the pattern %s with another service is %s", (pattern, expected) => {
  expect(patternOfService(pattern, "other")).toBe(expected);
});
