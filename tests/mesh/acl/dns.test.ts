import { createSocket } from "node:dgram";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readMessage, type TestMessage, types, writeQuery } from "../../agent/dns/messages.ts";
import { type AclAgent, management, startAclAgent } from "./matrix-cluster.ts";

/** DNS of an agent with ACLs on and everything denied by default. */
let agent: AclAgent;

beforeAll(async () => {
  agent = await startAclAgent();
  await agent.setUp();
}, 30_000);
afterAll(async () => {
  await agent.stop();
});

function ask(name: string, type: number): Promise<TestMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<TestMessage>();
  const socket = createSocket("udp4");
  const timer = setTimeout(() => reject(new Error(`no answer for ${name}`)), 5_000);
  socket.on("message", (bytes) => {
    clearTimeout(timer);
    socket.close();
    resolve(readMessage(bytes));
  });
  socket.send(writeQuery({ name, type }), agent.running.dns?.port ?? 0, "127.0.0.1");
  return promise;
}

async function seen(): Promise<Record<string, number>> {
  const service = await ask("web.service.consul", types.A);
  const node = await ask("vm1.node.consul", types.A);
  const reverse = await ask("1.0.0.127.in-addr.arpa", types.PTR);
  return { service: service.answers.length, node: node.answers.length, reverse: reverse.answers.length };
}

const setToken = (name: string, Token: string) => agent.call("PUT", `/v1/agent/token/${name}`, management, { Token });

test("DNS shows what its token may see: the DNS token's, else the default one's, else nobody's", async () => {
  const nothing = { service: 0, node: 0, reverse: 0 };
  expect(await seen()).toEqual(nothing);
  await setToken(
    "default",
    await agent.token('service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'),
  );
  expect(await seen()).toEqual({ service: 1, node: 1, reverse: 1 });
  // Asked for again, so that what is known now is known with this token.
  expect(await seen()).toEqual({ service: 1, node: 1, reverse: 1 });
  await setToken("dns", await agent.token('service_prefix "other" { policy = "read" }'));
  expect(await seen()).toEqual(nothing);
  await setToken("dns", "");
  expect(await seen()).toEqual({ service: 1, node: 1, reverse: 1 });
  await setToken("default", "");
  expect(await seen()).toEqual(nothing);
}, 20_000);
