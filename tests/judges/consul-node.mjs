// Calls every method of the npm client `consul` on a running agent. One line of JSON per method, as tests/judges/consul-go prints them.
import Consul from "consul";

const [, , port] = process.argv;
const consul = new Consul({ host: "127.0.0.1", port: Number(port) });
const outcomes = new Map();

/** Runs one check that exercises the given methods, separated by blanks. */
async function judge(methods, check) {
  let detail;
  try {
    await check();
  } catch (thrown) {
    detail = String(thrown?.message ?? thrown);
  }
  for (const method of methods.split(" ")) {
    if (detail !== undefined) outcomes.set(method, { method, outcome: "failed", detail });
    else if (!outcomes.has(method)) outcomes.set(method, { method, outcome: "passed" });
  }
}

function expect(holds, ...shown) {
  if (!holds) throw new Error(`not as expected: ${JSON.stringify(shown)}`);
}

async function expectStatus(status, call) {
  const error = await call.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error?.statusCode === status, error?.message, error?.statusCode);
}

const skipped = {
  "acl.legacy.create": "removed in Consul 1.11",
  "acl.legacy.update": "removed in Consul 1.11",
  "acl.legacy.destroy": "removed in Consul 1.11",
  "acl.legacy.info": "removed in Consul 1.11",
  "acl.legacy.get": "removed in Consul 1.11",
  "acl.legacy.clone": "removed in Consul 1.11",
  "acl.legacy.list": "removed in Consul 1.11",
};

await judge("agent.self agent.members", async () => {
  const self = await consul.agent.self();
  const members = await consul.agent.members();
  expect(self.Config.NodeName === members[0].Name && members.length === 1, members);
});
await judge("agent.service.register agent.service.list agent.services", async () => {
  await consul.agent.service.register({
    id: "node-web-1",
    name: "node-web",
    tags: ["a"],
    port: 80,
    check: { ttl: "1h", status: "passing" },
  });
  const services = await consul.agent.service.list();
  expect(services["node-web-1"].Service === "node-web" && services["node-web-1"].Port === 80, services);
  expect((await consul.agent.services())["node-web-1"] !== undefined);
});
await judge("agent.service.maintenance", async () => {
  await consul.agent.service.maintenance({ id: "node-web-1", enable: true, reason: "r" });
  expect((await consul.health.service({ service: "node-web", passing: true })).length === 0);
  await consul.agent.service.maintenance({ id: "node-web-1", enable: false });
});
await judge("agent.check.register agent.check.list agent.checks", async () => {
  await consul.agent.check.register({ id: "node-ttl", name: "ttl", ttl: "1h" });
  expect((await consul.agent.check.list())["node-ttl"].Status === "critical");
  expect((await consul.agent.checks())["node-ttl"] !== undefined);
});
await judge("agent.check.pass agent.check.warn agent.check.fail", async () => {
  for (const [method, status] of [
    ["pass", "passing"],
    ["warn", "warning"],
    ["fail", "critical"],
  ]) {
    await consul.agent.check[method]({ id: "node-ttl", note: method });
    const check = (await consul.agent.check.list())["node-ttl"];
    expect(check.Status === status && check.Output === method, check);
  }
});
await judge("agent.check.deregister", () => consul.agent.check.deregister("node-ttl"));
await judge("agent.maintenance", async () => {
  await consul.agent.maintenance({ enable: true, reason: "r" });
  await consul.agent.maintenance({ enable: false });
});
await judge("agent.reload", () => consul.agent.reload());
await judge("agent.join", () => expectStatus(500, consul.agent.join("127.0.0.1:1")));
await judge("agent.forceLeave", () => expectStatus(500, consul.agent.forceLeave("nobody")));

await judge("catalog.register catalog.node.list catalog.nodes", async () => {
  await consul.catalog.register({
    node: "node-n",
    address: "10.7.7.7",
    service: { service: "node-api", tags: ["t"], port: 1 },
  });
  expect((await consul.catalog.node.list()).some(({ Node }) => Node === "node-n"));
  expect((await consul.catalog.nodes()).some(({ Node }) => Node === "node-n"));
});
await judge("catalog.datacenters", async () => expect((await consul.catalog.datacenters())[0] === "dc1"));
await judge("catalog.services catalog.service.list", async () => {
  expect((await consul.catalog.services())["node-api"][0] === "t");
  expect((await consul.catalog.service.list())["node-api"][0] === "t");
});
await judge("catalog.service.nodes catalog.connect.nodes", async () => {
  expect((await consul.catalog.service.nodes("node-api"))[0].ServicePort === 1);
  expect((await consul.catalog.connect.nodes("node-api")).length === 0);
});
await judge("catalog.node.services", async () => {
  expect((await consul.catalog.node.services("node-n")).Services["node-api"].Port === 1);
});
await judge("health.node health.checks health.service health.state", async () => {
  expect((await consul.health.node("node-n")).length === 0);
  expect((await consul.health.checks("node-web")).length === 1);
  expect((await consul.health.service({ service: "node-web", passing: true }))[0].Service.Port === 80);
  expect((await consul.health.state("any")).length > 0);
});
await judge("catalog.deregister", async () => {
  await consul.catalog.deregister({ node: "node-n" });
  expect((await consul.catalog.service.nodes("node-api")).length === 0);
});

await judge("kv.set kv.get kv.keys kv.del kv.delete", async () => {
  expect(await consul.kv.set("node/a b", "väl"));
  expect((await consul.kv.get("node/a b")).Value === "väl");
  expect(await consul.kv.set({ key: "node/x", value: "1", flags: 3, cas: "0" }));
  expect(!(await consul.kv.set({ key: "node/x", value: "2", cas: "0" })));
  expect((await consul.kv.get({ key: "node/", recurse: true })).length === 2);
  expect((await consul.kv.keys("node/")).length === 2);
  await consul.kv.del("node/a b");
  await consul.kv.delete({ key: "node/", recurse: true });
  expect((await consul.kv.get("node/x")) === undefined);
});
await judge(
  "session.create session.info session.get session.node session.list session.renew session.destroy",
  async () => {
    const { ID } = await consul.session.create({ name: "node", ttl: "20s", lockdelay: "1s" });
    expect((await consul.session.info(ID)).Name === "node");
    expect((await consul.session.get(ID)).TTL === "20s");
    const { Config } = await consul.agent.self();
    expect((await consul.session.node(Config.NodeName)).some((one) => one.ID === ID));
    expect((await consul.session.list()).some((one) => one.ID === ID));
    expect((await consul.session.renew(ID))[0].ID === ID);
    expect(await consul.kv.set({ key: "node-lock", value: "v", acquire: ID }));
    expect((await consul.kv.get("node-lock")).Session === ID);
    expect(await consul.kv.set({ key: "node-lock", value: "v", release: ID }));
    await consul.session.destroy(ID);
    expect((await consul.session.info(ID)) === undefined);
  },
);
await judge("transaction.create", async () => {
  const { Results } = await consul.transaction.create([
    { KV: { Verb: "set", Key: "node-t", Value: Buffer.from("x").toString("base64") } },
    { KV: { Verb: "get", Key: "node-t" } },
  ]);
  expect(Results.length === 2, Results);
});
await judge("event.fire event.list", async () => {
  const fired = await consul.event.fire("node-event", "payload");
  const listed = await consul.event.list("node-event");
  expect(listed.at(-1).ID === fired.ID && listed.at(-1).Payload === "payload", listed);
});
await judge("query.create query.list query.get query.update query.execute query.explain query.destroy", async () => {
  const { ID } = await consul.query.create({ name: "node-q", service: { service: "node-web" } });
  expect((await consul.query.list()).some((one) => one.ID === ID));
  expect((await consul.query.get(ID)).Name === "node-q");
  await consul.query.update({ query: ID, name: "node-q2", service: { service: "node-web" } });
  expect((await consul.query.execute("node-q2")).Nodes.length === 1);
  await consul.query.explain("node-q2");
  await consul.query.destroy(ID);
});
await judge("status.leader status.peers", async () => {
  const leader = await consul.status.leader();
  expect((await consul.status.peers()).includes(leader), leader);
});
await judge("acl.bootstrap acl.replication", async () => {
  await expectStatus(401, consul.acl.bootstrap());
  await expectStatus(401, consul.acl.replication());
});
await judge("watch", async () => {
  const watch = consul.watch({ method: consul.kv.get, options: { key: "node-watched" }, backoffFactor: 10 });
  const seen = new Promise((resolve, reject) => {
    watch.on("change", (data) => data?.Value === "2" && resolve());
    watch.on("error", reject);
    setTimeout(() => reject(new Error("no change in 10 s")), 10_000).unref();
  });
  seen.catch(() => undefined);
  await consul.kv.set("node-watched", "1");
  await consul.kv.set("node-watched", "2");
  await seen.finally(() => watch.end());
});
await judge("agent.service.deregister", () => consul.agent.service.deregister("node-web-1"));

for (const method of methodsOf(consul)) {
  const skip = skipped[method];
  const missing = { method, outcome: skip === undefined ? "failed" : "skipped", detail: skip ?? "not exercised" };
  console.log(JSON.stringify(outcomes.get(method) ?? missing));
}
consul.destroy();

/** The methods of the client and of what hangs on it, by their paths. */
function methodsOf(root) {
  const found = [];
  const seen = new Set([root.consul]);
  const walk = (value, path) => {
    if (seen.has(value)) return;
    seen.add(value);
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(value))) {
      const isMethod = name !== "constructor" && !name.startsWith("_") && typeof value[name] === "function";
      if (isMethod && `${path}${name}` !== "destroy") found.push(path + name);
    }
    for (const [name, child] of Object.entries(value)) {
      if (name !== "consul" && !name.startsWith("_") && typeof child === "object" && child !== null)
        walk(child, `${path}${name}.`);
    }
  };
  walk(root, "");
  return found.sort();
}
