import { expect, test } from "bun:test";
import { mustGet } from "../../lib/base/assert.ts";
import { listSettings, sourcesByPath } from "../../lib/contract/setting-sources.ts";
import { createWrittenEntries } from "./written-entries.ts";

const keySet = JSON.stringify({ keys: [{ kty: "EC", crv: "P-256", x: "a", y: "b" }] });
const JWKS = Buffer.from(keySet).toString("base64");
const okta = { Kind: "jwt-provider", Name: "okta", Issuer: "https://okta", JSONWebKeySet: { Local: { JWKS } } };

function intentions(fields: object): object {
  return { Kind: "service-intentions", Name: "web", Sources: [{ Name: "api", Action: "allow" }], ...fields };
}

test("a provider and the intentions that name it are in the document, with Consul's defaults", async () => {
  const entries = createWrittenEntries();
  const VerifyClaims = [{ Path: ["aud", "team"], Value: "blue" }];
  await entries.write(okta, intentions({ JWT: { Providers: [{ Name: "okta", VerifyClaims }] } }));
  const [inbound] = entries.document().config.inbound;
  expect(inbound?.jwtProviders).toMatchObject([
    {
      name: "okta",
      issuer: "https://okta",
      audiences: [],
      jwks: { inline: keySet },
      locations: [
        { type: "header", name: "authorization", prefix: "Bearer " },
        { type: "query", name: "access_token", prefix: "" },
      ],
      forward: "drop",
      clockSkewSeconds: 30,
    },
  ]);
  expect(inbound?.intentions.jwt).toEqual({
    providers: [{ name: "okta", claims: [{ path: ["aud", "team"], value: "blue" }] }],
  });
});

test("everything that an entry says of a provider is in the document", async () => {
  const entries = createWrittenEntries();
  await entries.write(
    {
      ...okta,
      Audiences: ["a"],
      JSONWebKeySet: {
        Remote: {
          URI: "https://okta/keys",
          RequestTimeoutMs: 500,
          CacheDuration: "1m",
          FetchAsynchronously: true,
          RetryPolicy: { NumRetries: 2 },
        },
      },
      Locations: [
        { Header: { Name: "X-Token", ValuePrefix: "Tok ", Forward: true } },
        { QueryParam: { Name: "t" } },
        { Cookie: { Name: "c" } },
      ],
      Forwarding: { HeaderName: "X-Claims" },
      ClockSkewSeconds: 7,
    },
    intentions({ JWT: { Providers: [{ Name: "okta" }] } }),
  );
  const [provider] = mustGet(entries.document().config.inbound[0], "web").jwtProviders;
  expect(provider).toMatchObject({
    audiences: ["a"],
    jwks: { remote: { uri: "https://okta/keys", timeoutMs: 500, cacheMs: 60_000, retries: 2 } },
    locations: [
      { type: "header", name: "X-Token", prefix: "Tok " },
      { type: "query", name: "t" },
      { type: "cookie", name: "c" },
    ],
    forward: "keep",
    payloadHeader: "x-claims",
    clockSkewSeconds: 7,
  });
});

test("a permission may require a token of its own", async () => {
  const entries = createWrittenEntries();
  const Permissions = [
    { Action: "allow", HTTP: { PathPrefix: "/admin" }, JWT: { Providers: [{ Name: "okta" }] } },
    { Action: "allow", HTTP: { PathPrefix: "/" } },
  ];
  await entries.write(okta, intentions({ Sources: [{ Name: "api", Permissions }] }));
  const [inbound] = entries.document().config.inbound;
  expect(inbound?.intentions.jwt).toBeUndefined();
  expect(inbound?.intentions.rules[0]?.permissions?.map(({ jwt }) => jwt?.providers[0]?.name)).toEqual([
    "okta",
    undefined,
  ]);
  expect(inbound?.jwtProviders.map(({ name }) => name)).toEqual(["okta"]);
});

test("an entry is read back as it was written", async () => {
  const entries = createWrittenEntries();
  const written = { ...okta, Locations: [{ Header: { Name: "a", ValuePrefix: "b", Forward: true } }] };
  const required = intentions({ JWT: { Providers: [{ Name: "okta" }] } });
  await entries.write(written, required);
  expect((await entries.catalog.get("/v1/config/jwt-provider/okta")).json).toEqual({
    ...written,
    CreateIndex: 11,
    ModifyIndex: 11,
  });
  expect((await entries.catalog.get("/v1/config/service-intentions/web")).json).toMatchObject({
    JWT: { Providers: [{ Name: "okta" }] },
  });
});

test("a provider that nobody wrote cannot be required, and one that is required cannot be deleted", async () => {
  const entries = createWrittenEntries();
  const required = intentions({ JWT: { Providers: [{ Name: "okta" }] } });
  expect(await entries.refusal(required)).toBe(
    'JWT provider "okta" does not exist: write its jwt-provider entry first',
  );
  await entries.write(okta, required);
  const deleted = await entries.catalog.send("DELETE", "/v1/config/jwt-provider/okta");
  expect(deleted).toMatchObject({ status: 400 });
  expect(deleted.body).toContain('the service-intentions of "web" require its tokens');
  await entries.write(intentions({}));
  expect(await entries.catalog.send("DELETE", "/v1/config/jwt-provider/okta")).toMatchObject({ status: 200 });
});

test("a change of one source by the intentions' own routes keeps what the entry requires", async () => {
  const entries = createWrittenEntries();
  await entries.write(okta, intentions({ JWT: { Providers: [{ Name: "okta" }] } }));
  await entries.catalog.send("PUT", "/v1/connect/intentions/exact?source=batch&destination=web", { Action: "allow" });
  expect(entries.document().config.inbound[0]?.intentions.jwt?.providers[0]?.name).toBe("okta");
});

test("a value of a provider is said to be its entry's", async () => {
  const entries = createWrittenEntries();
  await entries.write(okta, intentions({ JWT: { Providers: [{ Name: "okta" }] } }));
  const { config, authors } = entries.document();
  const settings = listSettings(config, sourcesByPath(authors));
  expect(settings.find(({ path }) => path === "inbound[0].jwtProviders[0].issuer")?.source).toBe("jwt-provider okta");
});

const secret = Buffer.from(JSON.stringify({ keys: [{ kty: "oct", k: "AAAA" }] })).toString("base64");
test.each([
  ["without an issuer", { Issuer: "" }, "Issuer is required"],
  ["without keys", { JSONWebKeySet: {} }, "exactly one of Local or Remote"],
  ["with two sorts of keys", { JSONWebKeySet: { Local: { JWKS }, Remote: { URI: "https://a" } } }, "exactly one of"],
  ["with keys that are no base64", { JSONWebKeySet: { Local: { JWKS: "{}" } } }, "must be a base64 encoded string"],
  ["with a secret among its keys", { JSONWebKeySet: { Local: { JWKS: secret } } }, "jwks.inline: must be the JSON of"],
  [
    "whose keys are verified by another authority",
    {
      JSONWebKeySet: {
        Remote: { URI: "https://a", JWKSCluster: { TLSCertificates: { TrustedCA: { Filename: "a" } } } },
      },
    },
    "JSONWebKeySet.Remote.JWKSCluster.TLSCertificates is not supported",
  ],
  ["with a place of two sorts", { Locations: [{ Header: { Name: "a" }, Cookie: { Name: "b" } }] }, "Locations[0] must"],
  ["with a place without a name", { Locations: [{ Cookie: {} }] }, "Locations[0].Cookie.Name must be specified"],
  ["with padded claims", { Forwarding: { HeaderName: "a", PadForwardPayloadHeader: true } }, "PadForwardPayloadHeader"],
  ["with a clock skew that no proxy takes", { ClockSkewSeconds: 3_601 }, "clockSkewSeconds: must be <= 3600"],
])("a provider %s is refused", async (_what, fields, message) => {
  expect(await createWrittenEntries().refusal({ ...okta, ...fields })).toContain(message);
});

test("tokens cannot be required of calls to all services at once", async () => {
  const entries = createWrittenEntries();
  await entries.write(okta);
  const everywhere = intentions({ Name: "*", JWT: { Providers: [{ Name: "okta" }] } });
  expect(await entries.refusal(everywhere)).toContain(
    "JWT is not supported on intentions with wildcarded destinations",
  );
});
