import { expect, test } from "bun:test";
import { parseProxyConfig } from "../../../lib/contract/proxy-config.ts";

function issuesOf(provider: object, jwt?: object): string[] {
  const base = { name: "okta", issuer: "i", jwks: { inline: '{"keys":[]}' } };
  const parsed = parseProxyConfig({
    identity: { certFile: "c", keyFile: "k", caFile: "r" },
    inbound: [
      {
        ...{ service: "api", listen: "127.0.0.1:1", app: "127.0.0.1:2", protocol: "http" },
        intentions: { default: "deny", ...(jwt !== undefined && { jwt }) },
        jwtProviders: [{ ...base, ...provider }],
      },
    ],
    admin: { listen: "127.0.0.1:3" },
  });
  return parsed.ok ? [] : parsed.issues.map(({ path, message }) => `${path}: ${message}`);
}

test("a provider has one source of public keys, and no way to sign with what everybody has", () => {
  expect(issuesOf({})).toEqual([]);
  const at = "inbound[0].jwtProviders[0]";
  expect(issuesOf({ jwks: {} })).toEqual([`${at}.jwks: must have exactly one of inline, file and remote`]);
  for (const key of ['{"kty":"oct","k":"AA"}', '{"kty":"EC","d":"AA"}', "1"]) {
    expect(issuesOf({ jwks: { inline: `{"keys":[${key}]}` } })).toEqual([
      `${at}.jwks.inline: must be the JSON of a key set with public keys only`,
    ]);
  }
  for (const algorithm of ["none", "HS256"]) expect(issuesOf({ algorithms: [algorithm] })[0]).toStartWith(`${at}.algo`);
});

test("a requirement names a provider of its listener", () => {
  expect(issuesOf({}, { providers: [{ name: "okta" }] })).toEqual([]);
  expect(issuesOf({}, { providers: [{ name: "other" }] })).toEqual([
    'inbound[0].intentions.jwt.providers[0].name: must be a provider of jwtProviders, found "other"',
  ]);
});
