import { expect, test } from "bun:test";
import { compileSpiffePattern } from "../../../lib/contract/spiffe.ts";
import { spiffeUriOfNames } from "../../../proxy/transport/peer-identity.ts";

const uri = "spiffe://td/ns/default/dc/dc1/svc/web";

test("a certificate's one SPIFFE URI is its identity, whatever DNS names stand beside it", () => {
  expect(spiffeUriOfNames(`URI:${uri}, DNS:web`)).toBe(uri);
});

const refused: readonly (readonly [string, string | undefined])[] = [
  ["NUL in a name (CVE-2025-66220, CVE-2026-47778)", `URI:${uri}\0.evil`],
  ["NUL in a name that node quotes (CVE-2026-47778)", `DNS:"web\\u0000", URI:${uri}`],
  ["two URIs", `URI:${uri}, URI:${uri}`],
  ["a URI that a quoted name hides", `DNS:"a, URI:${uri}"`],
  ["another scheme", "URI:https://td/ns/default/dc/dc1/svc/web"],
  ["no URI", "DNS:web"],
  ["no names", undefined],
];
for (const [what, names] of refused) {
  test(`a certificate with ${what} has no identity`, () => expect(spiffeUriOfNames(names)).toBeUndefined());
}

test("a pattern is no regular expression: its dots are dots (CVE-2026-39350)", () => {
  const matches = compileSpiffePattern("spiffe://a.b/ns/default/dc/*/svc/web");
  expect(matches?.("spiffe://a.b/ns/default/dc/dc1/svc/web")).toBe(true);
  expect(matches?.("spiffe://axb/ns/default/dc/dc1/svc/web")).toBe(false);
});
