import { describe, expect, test } from "bun:test";
import { mustGet } from "../../../lib/base/assert.ts";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";

function parse(extAuthz: object, more: object = {}) {
  const listener = { service: "api", listen: "127.0.0.1:1", app: "127.0.0.1:2", intentions: { default: "deny" } };
  return parseProxyConfig({
    identity: { certFile: "c", keyFile: "k", caFile: "r" },
    inbound: [{ ...listener, protocol: "http", extAuthz, ...more }],
    admin: { listen: "127.0.0.1:3" },
  });
}

function issuesOf(extAuthz: object, more: object = {}): string {
  const parsed = parse(extAuthz, more);
  return parsed.ok ? "" : parsed.issues.map(({ path, message }) => `${path}: ${message}`).join("\n");
}

const address = "127.0.0.1:9191";
const grpc = { address };
const http = { address };

describe("an authorizer in a document", () => {
  test("has Envoy's defaults written out, and none where there is no authorizer", () => {
    const parsed = parse({ http });
    const { config } = mustGet(parsed.ok ? parsed : undefined, "the document is valid");
    expect(config.inbound[0]?.extAuthz).toEqual({
      http: {
        address,
        pathPrefix: "",
        allowedUpstreamHeaders: [],
        allowedUpstreamHeadersToAppend: [],
        allowedClientHeaders: [],
        allowedClientHeadersOnSuccess: [],
      },
      timeoutMs: 200,
      failureModeAllow: false,
      statusOnError: 403,
      disallowedHeaders: [],
      includePeerCertificate: false,
      encodeRawHeaders: false,
      contextExtensions: {},
      bypass: [],
      dryRun: false,
      maxConcurrentChecks: 1_024,
      maxResponseBytes: 65_536,
    });
    const plain = parseProxyConfig({
      identity: { certFile: "c", keyFile: "k", caFile: "r" },
      inbound: [{ service: "a", listen: "127.0.0.1:1", app: "127.0.0.1:2", intentions: { default: "deny" } }],
      admin: { listen: "127.0.0.1:3" },
    });
    expect(plain.ok && "extAuthz" in (plain.config.inbound[0] ?? {})).toBe(false);
  });

  test.each([
    ["both protocols", { grpc, http }, "inbound[0].extAuthz: must have either grpc or http"],
    ["no protocol", {}, "inbound[0].extAuthz: must have either grpc or http"],
    ["no port", { grpc: { address: "host" } }, "inbound[0].extAuthz.grpc.address: must be host:port"],
    ["port 0", { http: { address: "host:0" } }, "inbound[0].extAuthz.http.address: must be host:port"],
    [
      "an identity that is none",
      { grpc: { address, tls: { serverName: "authz", peerIdentity: "authz" } } },
      "inbound[0].extAuthz.grpc.tls.peerIdentity: must be a SPIFFE id",
    ],
    [
      "an expression that is none",
      { http: { address, allowedClientHeaders: [{ type: "regex", value: "(" }] } },
      "inbound[0].extAuthz.http.allowedClientHeaders[0].value: must be a regular expression",
    ],
    [
      "another that is none",
      { grpc, disallowedHeaders: [{ type: "regex", value: "(" }] },
      "inbound[0].extAuthz.disallowedHeaders[0].value: must be a regular expression",
    ],
    ["a bypass for everything", { grpc, bypass: [{}] }, "inbound[0].extAuthz.bypass[0]: must have path"],
    [
      "a bypass without a path's slash",
      { grpc, bypass: [{ path: { type: "prefix", value: "public" } }] },
      "inbound[0].extAuthz.bypass[0].path.value: must begin with /",
    ],
    ["a prefix that ends the path", { http: { address, pathPrefix: "/a?" } }, "inbound[0].extAuthz.http.pathPrefix"],
    ["a prefix that is no path", { http: { address, pathPrefix: "a" } }, "inbound[0].extAuthz.http.pathPrefix"],
    ["a status that lets through", { grpc, statusOnError: 200 }, "inbound[0].extAuthz.statusOnError"],
    ["a timeout of nothing", { grpc, timeoutMs: 0 }, "inbound[0].extAuthz.timeoutMs"],
  ])("with %s is refused, and the path is named", (_, extAuthz, issue) => {
    expect(issuesOf(extAuthz)).toContain(issue);
  });

  test("is for requests, which tcp has none of", () => {
    expect(issuesOf({ grpc }, { protocol: "tcp" })).toContain(
      "inbound[0].extAuthz: needs protocol http, http2 or grpc",
    );
    for (const protocol of ["http", "http2", "grpc"]) expect(issuesOf({ grpc }, { protocol })).toBe("");
  });
});
