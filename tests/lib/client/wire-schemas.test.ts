import { describe, expect, test } from "bun:test";
import { decodeTopicValue, encodeJson } from "../../../lib/client/wire-schemas.ts";

describe("the settings of a service on the wire", () => {
  const plain = {
    service: "web",
    protocol: "http",
    localConnectTimeoutMs: 5_000,
    localRequestTimeoutMs: 0,
    maxInboundConnections: 0,
  };
  const RequestNormalization = {
    InsecureDisablePathNormalization: false,
    MergeSlashes: true,
    PathWithEscapedSlashesAction: "REJECT_REQUEST",
    HeadersWithUnderscoresAction: "",
  };
  const decode = (value: object) => decodeTopicValue("service-config", encodeJson(value));

  test("come without those of the mesh, as from a server that has none", () => {
    expect(decode(plain).maxInboundConnections).toBe(0);
    expect(decode(plain).mesh).toBeUndefined();
  });

  test("come with those of the proxies' defaults, whatever a later version may have there", () => {
    const proxyDefaults = { workers: "auto", local_idle_timeout_ms: 15_000, later: { a: [1] } };
    expect(decode({ ...plain, proxyDefaults })).toEqual({ ...decode(plain), proxyDefaults });
  });

  test("come with those of the mesh", () => {
    const mesh = { SanitizeXForwardedClientCert: true, RequestNormalization };
    expect(decode({ ...plain, mesh })).toMatchObject({ mesh });
  });

  test("with an action that this version does not know are malformed, by the field's name", () => {
    const unknown = { ...RequestNormalization, PathWithEscapedSlashesAction: "GUESS" };
    const value = { ...plain, mesh: { SanitizeXForwardedClientCert: false, RequestNormalization: unknown } };
    expect(() => decode(value)).toThrow("mesh.RequestNormalization.PathWithEscapedSlashesAction: must be one of");
  });
});

describe("intentions on the wire", () => {
  const rule = { sourceName: "a", destinationName: "b", action: "deny", precedence: 9, description: "" };
  const decode = (value: object) =>
    decodeTopicValue("intentions", encodeJson({ rules: [value], defaultAction: "deny" }));
  const HTTP = { PathExact: "/a", PathPrefix: "", PathRegex: "", Header: [], Methods: ["GET"] };

  test("come without permissions, as from a server that knows none, and with them", () => {
    expect(decode(rule).rules[0]?.permissions).toBeUndefined();
    const permissions = [{ Action: "allow", HTTP }];
    expect(decode({ ...rule, permissions }).rules).toMatchObject([{ ...rule, permissions }]);
  });

  test("with a permission that lacks a condition are malformed: it would match more than was meant", () => {
    const { PathExact: _, ...less } = HTTP;
    expect(() => decode({ ...rule, permissions: [{ Action: "allow", HTTP: less }] })).toThrow("PathExact: is required");
  });
});
