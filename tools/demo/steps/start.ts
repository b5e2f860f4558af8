import { Type } from "typebox";
import { waitFor } from "../../wait-for.ts";
import type { Tell } from "../story.ts";
import { agentCommand, appCommand, registration, type World } from "../world.ts";

const startTimeoutMs = 30_000;
const Nodes = Type.Array(Type.Object({ Node: Type.String(), Address: Type.String() }));
const Health = Type.Array(Type.Object({ Service: Type.Object({ ID: Type.String() }) }));

/** Starts the server and the three agents and waits until the server knows all of them. */
export async function startNodes(world: World, tell: Tell): Promise<string> {
  const { layout, processes } = world;
  const limits = { timeoutMs: startTimeoutMs, signal: processes.failure };
  const server = processes.start("server", agentCommand(layout.server));
  const api = world.api(layout.server);
  const leader = await waitFor(
    "a leader",
    limits,
    async () => (await api.get("/v1/status/leader", Type.String())) || undefined,
  );
  tell(`server: process ${server.pid}, API ${api.url}, leader ${leader}`);
  const agents = Object.values(layout.nodes);
  for (const node of agents) {
    const agent = processes.start(node.name, agentCommand(node, layout.server));
    tell(`${node.name}: agent process ${agent.pid}, API ${world.api(node).url}, data in ${node.dataDir}`);
  }
  const wanted = [layout.server, ...agents].map((node) => node.name).toSorted();
  const nodes = await waitFor("all nodes in the catalog", limits, async () => {
    const found = (await api.get("/v1/catalog/nodes", Nodes)).map((node) => node.Node).toSorted();
    return found.join() === wanted.join() ? found : undefined;
  });
  return `${nodes.length} nodes in the catalog: ${nodes.join(", ")}`;
}

/** Starts the applications and registers each with its agent; the agents start a sidecar for each. */
export async function startServices(world: World, tell: Tell): Promise<string> {
  const { layout, processes } = world;
  const server = world.api(layout.server);
  await server.put("/v1/config", { Kind: "proxy-defaults", Name: "global", Config: { protocol: "http" } });
  await server.put("/v1/config", { Kind: "service-defaults", Name: "db", Protocol: "tcp" });
  for (const instance of Object.values(layout.instances)) {
    const app = processes.start(instance.id, appCommand(layout, instance));
    world.apps.set(instance.id, app);
    await world.api(instance.node).put("/v1/agent/service/register", registration(instance));
    const address = `${instance.node.address}:${instance.appPort}`;
    tell(
      `${instance.id} on ${instance.node.name}: process ${app.pid} on ${address}, sidecar on port ${instance.sidecarPort}`,
    );
  }
  const wanted = Object.values(layout.instances)
    .map((instance) => `${instance.id}-sidecar-proxy`)
    .toSorted();
  const found = await waitFor(
    "every sidecar healthy",
    { timeoutMs: startTimeoutMs, signal: processes.failure },
    async () => {
      const healthy = await Promise.all(
        ["web", "api", "db"].map((name) => server.get(`/v1/health/connect/${name}?passing`, Health)),
      );
      const ids = healthy.flat().map((entry) => entry.Service.ID);
      return ids.toSorted().join() === wanted.join() ? ids : undefined;
    },
  );
  return `${found.length} sidecars pass their health checks: ${found.join(", ")}`;
}

const Instances = Type.Array(
  Type.Object({
    Node: Type.Object({ Node: Type.String() }),
    Service: Type.Object({ ID: Type.String(), Address: Type.String(), Port: Type.Integer() }),
  }),
);

/** Asks the agent on Kubernetes, over the same API as Consul's, where api runs. */
export async function discover(world: World, tell: Tell): Promise<string> {
  const agent = world.api(world.layout.nodes["k8s-pod"]);
  const path = "/v1/health/service/api?passing";
  tell(`GET ${agent.url}${path}`);
  const instances = await agent.get(path, Instances);
  for (const { Node, Service } of instances)
    tell(`${Service.ID} on ${Node.Node} at ${Service.Address}:${Service.Port}`);
  if (instances.length !== 2) throw new Error(`expected 2 instances of api, the agent knows ${instances.length}`);
  return `the pod's agent finds api on ${instances.map((found) => found.Node.Node).join(" and ")}`;
}
