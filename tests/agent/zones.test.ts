import { expect, test } from "bun:test";
import { serviceFields } from "../../agent/registration/catalog-fields.ts";
import { expandSidecar } from "../../agent/registration/sidecar.ts";
import { mustGet } from "../../lib/base/assert.ts";
import { listSettings, sourcesByPath } from "../../lib/contract/setting-sources.ts";
import { nodeFields, registerCommand, sidecarFields } from "../server/state/records.ts";
import { sidecar, upstream } from "./sidecar-fixtures.ts";
import { service } from "./test-registrations.ts";
import { createWrittenEntries } from "./written-entries.ts";

const a = { Region: "r1", Zone: "a" };
const b = { Region: "r1", Zone: "b" };
const Upstreams = [upstream()];

test("an endpoint is in the zone of its registration, else of its node, else in none", () => {
  const entries = createWrittenEntries();
  const register = (host: string, node: object, fields: object): void => {
    const record = nodeFields(host, node);
    entries.catalog.apply(
      registerCommand(host, { node: record, service: sidecarFields("api", { Address: host, ...fields }) }),
    );
  };
  register("10.0.0.1", { Locality: b }, { Locality: a });
  register("10.0.0.2", { Locality: b, Meta: { zone: "c" } }, {});
  register("10.0.0.3", { Meta: { zone: "c", region: "r2" } }, {});
  register("10.0.0.4", { Meta: { zone: "c" } }, {});
  register("10.0.0.5", {}, { Locality: { Region: "r1", Zone: "" } });
  const { outbound } = entries.document();
  expect(outbound.endpoints.map(({ zone }) => zone)).toEqual(["r1/a", "r1/b", "r2/c", "c", ""]);
});

test("a proxy prefers the zone of its registration, else of its node, for every cluster", async () => {
  const entries = createWrittenEntries(sidecar({ proxy: { Upstreams } }));
  await entries.write(
    { Kind: "proxy-defaults", Config: { protocol: "http" } },
    { Kind: "service-splitter", Name: "api", Splits: [{ Weight: 50 }, { Weight: 50, Service: "new" }] },
  );
  const zonesOf = (result: ReturnType<typeof entries.compute>): unknown => {
    const { config, authors } = mustGet(result.ok ? result : undefined, "a document");
    const settings = listSettings(config, sourcesByPath(authors));
    return settings.flatMap(({ path, value, source }) => (path.endsWith("localZone") ? [value, source] : []));
  };
  expect(zonesOf(entries.compute())).toEqual(["", "default", "", "default"]);
  expect(zonesOf(entries.compute({ nodeZone: "r1/b" }))).toEqual([
    "r1/b",
    "locality of the node",
    "r1/b",
    "locality of the node",
  ]);
  const own = sidecar({ proxy: { Upstreams }, Locality: a });
  const author = "registration of web-sidecar-proxy: Locality";
  expect(zonesOf(entries.compute({ sidecar: own, nodeZone: "r1/b" }))).toEqual(["r1/a", author, "r1/a", author]);
});

test("a sidecar is where its service is, unless its registration says otherwise", () => {
  const context = { port: 21_000, nodeAddress: "10.0.0.1" };
  const localityOf = (document: object): unknown => {
    const parent = service({ Name: "web", ...document });
    return serviceFields(expandSidecar(parent, mustGet(parent.sidecar, "a sidecar"), context)).Locality;
  };
  expect(localityOf({ Connect: { SidecarService: {} } })).toBeUndefined();
  expect(localityOf({ Locality: a, Connect: { SidecarService: {} } })).toEqual(a);
  expect(localityOf({ Locality: a, Connect: { SidecarService: { Locality: b } } })).toEqual(b);
  expect(() => service({ Name: "web", Locality: { Zone: "a" } })).toThrow(
    'Locality: has the zone "a" without a region: name both',
  );
});
