import { expect, test } from "bun:test";
import { createTopicSource } from "../../server/topics.ts";
import { settle } from "../fakes/virtual-clock.ts";
import {
  caRootFields,
  checkFields,
  intentionsEntry,
  registerCommand,
  serviceFields,
  sidecarFields,
} from "./state/records.ts";
import { createStateHarness } from "./state/state-harness.ts";

function createTopics() {
  const harness = createStateHarness();
  const topics = createTopicSource({ reader: harness.reader, watches: harness.state.watches });
  return { ...harness, topics };
}

test("a subscriber gets the current value, then each change in order, and nothing about others", async () => {
  const { topics, accept } = createTopics();
  const seen: [number, number][] = [];
  const created = accept(registerCommand("n1", { service: sidecarFields("web") }));
  const subscription = topics.subscribe({ kind: "connect-endpoints", service: "web" }, (value, index) =>
    seen.push([value.length, index]),
  );
  expect(seen).toEqual([]);
  await settle();
  accept(registerCommand("n1", { service: sidecarFields("api") }));
  const second = accept(registerCommand("n2", { service: sidecarFields("web") }));
  const check = accept(registerCommand("n2", { checks: [checkFields("n2", "serfHealth")] }));
  expect(seen).toEqual([
    [1, created],
    [2, second],
    [2, check],
  ]);
  subscription.close();
  accept(registerCommand("n3", { service: sidecarFields("web") }));
  expect(seen).toHaveLength(3);
});

test("a change between subscribing and the first value is delivered once", async () => {
  const { topics, accept } = createTopics();
  const seen: number[] = [];
  topics.subscribe({ kind: "connect-endpoints", service: "web" }, (value) => seen.push(value.length));
  accept(registerCommand("n1", { service: sidecarFields("web") }));
  await settle();
  expect(seen).toEqual([1]);
});

test("a subscription closed at once never calls back", async () => {
  const { topics, state } = createTopics();
  let calls = 0;
  topics.subscribe({ kind: "ca-roots" }, () => calls++).close();
  await settle();
  expect(calls).toBe(0);
  expect(state.watches.watchCount()).toBe(0);
});

test("intentions carry the rules of the destination and the default", async () => {
  const { topics, accept } = createTopics();
  const seen: unknown[] = [];
  topics.subscribe({ kind: "intentions", destination: "web" }, (value) => seen.push(value));
  await settle();
  accept({ type: "config-entry-upsert", entry: intentionsEntry("web", { api: "deny" }) });
  accept({ type: "config-entry-upsert", entry: intentionsEntry("*", { "*": "deny" }) });
  expect(seen).toMatchObject([
    { rules: [], defaultAction: "allow" },
    { rules: [{ sourceName: "api", action: "deny" }], defaultAction: "allow" },
    { rules: [{ sourceName: "api" }, { sourceName: "*", destinationName: "*" }], defaultAction: "allow" },
  ]);
});

test("service configuration and roots are pushed when they change", async () => {
  const { topics, accept } = createTopics();
  const protocols: string[] = [];
  const rootIds: string[] = [];
  topics.subscribe({ kind: "service-config", service: "web" }, (value) => protocols.push(value.protocol));
  topics.subscribe({ kind: "ca-roots" }, (value) => rootIds.push(value.activeRootId));
  await settle();
  const Config = { protocol: "http" };
  accept({ type: "config-entry-upsert", entry: { Kind: "proxy-defaults", Name: "global", Meta: {}, Config } });
  accept({ type: "ca-initialize", root: caRootFields("aa") });
  expect(protocols).toEqual(["tcp", "http"]);
  expect(rootIds).toEqual(["", "aa"]);
});

test("the JSON of a change is one text for all subscribers, and never holds the private key", async () => {
  const { topics, accept } = createTopics();
  const texts: string[] = [];
  for (let i = 0; i < 3; i++) topics.subscribeJson({ kind: "ca-roots" }, (json) => texts.push(json));
  await settle();
  accept({ type: "ca-initialize", root: caRootFields("aa") });
  expect(texts).toHaveLength(6);
  expect(new Set(texts).size).toBe(2);
  expect(JSON.parse(texts[5] ?? "")).toMatchObject({ activeRootId: "aa" });
  expect(texts.join()).not.toContain("PRIVATE-KEY");
});

test("a service that is not in the mesh has no connect endpoints", async () => {
  const { topics, accept } = createTopics();
  accept(registerCommand("n1", { service: serviceFields("web") }));
  expect(topics.read({ kind: "connect-endpoints", service: "web" }).value).toEqual([]);
});

test("a new intention's provider is followed from then on, by the subscription that stands", async () => {
  const { topics, accept } = createTopics();
  const issuers: (string | undefined)[] = [];
  topics.subscribe({ kind: "intentions", destination: "web" }, (value) =>
    issuers.push(value.jwtProviders?.[0]?.Issuer),
  );
  await settle();
  const provider = (Issuer: string) => {
    const fields = { Name: "okta", Meta: {}, Issuer, Audiences: [], Locations: [], ForwardHeader: "" };
    const entry = { Kind: "jwt-provider", ...fields, JSONWebKeySet: { Filename: "/k" }, ClockSkewSeconds: 0 } as const;
    accept({ type: "config-entry-upsert", entry });
  };
  provider("a");
  const JWT = { Providers: [{ Name: "okta", VerifyClaims: [] }] };
  accept({ type: "config-entry-upsert", entry: { ...intentionsEntry("web", { api: "allow" }), JWT } });
  provider("b");
  expect(issuers).toEqual([undefined, "a", "b"]);
});

test("the settings of a service follow the entries of everything that its chain comes to, and nothing else", async () => {
  const { topics, accept } = createTopics();
  const seen: unknown[] = [];
  topics.subscribe({ kind: "service-config", service: "api" }, ({ chain }) =>
    seen.push(chain?.resolvers.map(({ id, connectTimeoutMs }) => `${id} ${connectTimeoutMs}`)),
  );
  await settle();
  const resolver = (Name: string, ConnectTimeoutMs: number, Redirect?: { Service: string; ServiceSubset: string }) => {
    const fields = {
      Name,
      Meta: {},
      DefaultSubset: "",
      Subsets: {},
      Failover: {},
      ConnectTimeoutMs,
      RequestTimeoutMs: 0,
    };
    const entry = { Kind: "service-resolver", ...fields, ...(Redirect && { Redirect }) } as const;
    accept({ type: "config-entry-upsert", entry });
  };
  resolver("new", 1);
  expect(seen).toEqual([undefined]);
  resolver("api", 0, { Service: "new", ServiceSubset: "" });
  resolver("new", 2);
  resolver("other", 3);
  accept({ type: "config-entry-delete", kind: "service-resolver", name: "api" });
  resolver("new", 4);
  expect(seen).toEqual([undefined, ["new 1"], ["new 2"], undefined]);
});
