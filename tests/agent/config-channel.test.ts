import { beforeEach, expect, test } from "bun:test";
import { type ConfigChannel, createConfigChannel } from "../../agent/proxies/config-channel.ts";
import type { ProxyConnection } from "../../agent/proxies/proxy-connection.ts";
import { mustGet } from "../../lib/base/assert.ts";
import type { AgentToProxy } from "../../lib/contract/agent-socket.ts";
import type { ProxyConfig } from "../../lib/contract/proxy-config.ts";
import { ProxyConfigReader } from "../../lib/contract/proxy-config-reader.ts";
import { createTestRuntime } from "../fakes/test-runtime.ts";

/** What goes to a proxy after a change: its listeners, or the whole document where that is surer. */
let channel: ConfigChannel;
let reader: ProxyConfigReader;
let sent: AgentToProxy[];
const authors = { admin: "agent" };

beforeEach(() => {
  channel = createConfigChannel({ runtime: createTestRuntime(), proxyId: "web-sidecar-proxy" });
  reader = new ProxyConfigReader();
  sent = [];
});

function connection(overrides: Partial<ProxyConnection> = {}): ProxyConnection {
  return {
    proxyId: "web-sidecar-proxy",
    pid: 7,
    version: 0,
    revision: undefined,
    takesChanges: true,
    send: (message) => sent.push(message),
    close: () => undefined,
    ...overrides,
  };
}

function config(endpoints: Readonly<Record<string, string>>, certFile = "a"): ProxyConfig {
  const outbound = Object.entries(endpoints).map(([service, address], i) => ({
    service,
    listen: `127.0.0.1:${10 + i}`,
    endpoints: [{ address }],
  }));
  const identity = { certFile, keyFile: "b", caFile: "c" };
  const parsed = reader.read({ identity, admin: { listen: "127.0.0.1:9" }, outbound });
  return mustGet(parsed.ok ? parsed.config : undefined, "a valid document");
}

/** Type, version, and of changes the base and the places. */
function summary(): unknown[] {
  return sent.map((message) => {
    if (message.type !== "changes") return [message.type, "version" in message ? message.version : 0];
    return ["changes", message.version, message.base, message.entries.map(({ side, index }) => `${side}[${index}]`)];
  });
}

test("only the listeners that changed are sent to a proxy that has the version before", () => {
  channel.connect(connection());
  channel.offer(config({ a: "10.0.0.1:1", b: "10.0.0.2:1" }), authors);
  channel.offer(config({ a: "10.0.0.1:1", b: "10.0.0.3:1" }), authors);
  channel.offer(config({ a: "10.0.0.1:1", b: "10.0.0.3:1" }), authors);
  channel.offer(config({ a: "10.0.0.4:1", b: "10.0.0.5:1" }), authors);
  expect(summary()).toEqual([
    ["config", 1],
    ["changes", 2, 1, ["outbound[1]"]],
    ["changes", 3, 2, ["outbound[0]", "outbound[1]"]],
  ]);
  expect(sent[1]).not.toHaveProperty("sources");
});

test("what was sent, applied one after the other, is the document", () => {
  channel.connect(connection());
  const proxy = new ProxyConfigReader();
  const documents = ["1", "2", "3"].map((last) => config({ a: `10.0.0.${last}:1`, b: "10.0.0.9:1" }));
  for (const document of documents) channel.offer(document, authors);
  const applied = sent.map((message) => {
    if (message.type === "config") return proxy.read(message.config);
    return proxy.readChanges(message.type === "changes" ? message.entries : []);
  });
  expect(applied).toEqual(documents.map((document) => ({ ok: true, config: document })));
});

test.each([
  ["another identity", () => config({ a: "10.0.0.2:1" }, "new")],
  ["another listener", () => config({ a: "10.0.0.1:1", b: "10.0.0.2:1" })],
])("%s makes a whole document", (_what, next) => {
  channel.connect(connection());
  channel.offer(config({ a: "10.0.0.1:1" }), authors);
  channel.offer(next(), authors);
  expect(summary()).toEqual([
    ["config", 1],
    ["config", 2],
  ]);
});

test("who said what is sent again only when it is another", () => {
  channel.connect(connection());
  channel.offer(config({ a: "10.0.0.1:1" }), authors);
  channel.offer(config({ a: "10.0.0.1:1" }), { admin: "somebody" });
  expect(summary()).toEqual([
    ["config", 1],
    ["changes", 2, 1, []],
  ]);
  expect(sent[1]).toMatchObject({ sources: { admin: "somebody" } });
});

test("a proxy that does not know changes, or has not read what came before, gets whole documents", () => {
  let takesChanges = false;
  const proxy = connection();
  Object.defineProperty(proxy, "takesChanges", { get: () => takesChanges });
  channel.connect(proxy);
  channel.offer(config({ a: "10.0.0.1:1" }), authors);
  channel.offer(config({ a: "10.0.0.2:1" }), authors);
  takesChanges = true;
  channel.offer(config({ a: "10.0.0.3:1" }), authors);
  expect(summary()).toEqual([
    ["config", 1],
    ["config", 2],
    ["changes", 3, 2, ["outbound[0]"]],
  ]);
});

test("after a refusal, and on a new connection, the document is whole again", () => {
  const first = connection();
  channel.connect(first);
  channel.offer(config({ a: "10.0.0.1:1" }), authors);
  channel.onRejected(first, 1, "port 1 is in use");
  channel.offer(config({ a: "10.0.0.2:1" }), authors);
  channel.disconnect(first);
  const second = connection({ pid: 8, version: 2 });
  channel.connect(second);
  channel.offer(config({ a: "10.0.0.3:1" }), authors);
  expect(summary()).toEqual([
    ["config", 1],
    ["config", 2],
    ["config", 3],
    ["changes", 4, 3, ["outbound[0]"]],
  ]);
});
