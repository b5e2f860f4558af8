import { join } from "node:path";
import { type ApiClient, createApiClient } from "./api-client.ts";
import type { InstancePlan, Layout, NodePlan } from "./layout.ts";
import type { DemoProcess, DemoProcesses } from "./processes.ts";

/** What the steps of the demo act on. */
export interface World {
  readonly layout: Layout;
  readonly processes: DemoProcesses;
  /** The applications by instance id, once they run. */
  readonly apps: Map<string, DemoProcess>;
  /** The API as the node's own agent answers it. */
  api(node: NodePlan): ApiClient;
}

export function createWorld(layout: Layout, processes: DemoProcesses): World {
  return {
    layout,
    processes,
    apps: new Map(),
    api: (node) => createApiClient(`http://${node.address}:${node.httpPort}`),
  };
}

const root = join(import.meta.dir, "..", "..");

/** The command line of an agent; without a `server` to join it is one. */
export function agentCommand(node: NodePlan, server?: NodePlan): string[] {
  return [
    join(root, "bin", "atoll"),
    "agent",
    `-node=${node.name}`,
    `-data-dir=${node.dataDir}`,
    `-bind=${node.address}`,
    `-client=${node.address}`,
    `-http-port=${node.httpPort}`,
    `-server-port=${node.rpcPort}`,
    ...(server === undefined ? ["-server", "-bootstrap-expect=1"] : [`-join=${server.address}:${server.rpcPort}`]),
  ];
}

/** The command line of the application of an instance. */
export function appCommand(layout: Layout, instance: InstancePlan): string[] {
  const at = (port: number): string => `${instance.node.address}:${port}`;
  return [
    process.execPath,
    join(import.meta.dir, "apps", `${instance.service}.ts`),
    layout.folder,
    ...(instance.service === "api" ? [instance.id] : []),
    at(instance.appPort),
    ...(instance.upstream === undefined ? [] : [at(instance.upstream.port)]),
  ];
}

/** What is registered with the agent of the instance: the service and, in one go, its managed sidecar. */
export function registration(instance: InstancePlan): unknown {
  const { node, upstream } = instance;
  const interval = { Interval: "1s", Timeout: "1s" };
  return {
    ID: instance.id,
    Name: instance.service,
    Address: node.address,
    Port: instance.appPort,
    Meta: { platform: node.name },
    Check:
      instance.service === "db"
        ? { Name: "accepts connections", TCP: `${node.address}:${instance.appPort}`, ...interval }
        : { Name: "answers /health", HTTP: `http://${node.address}:${instance.appPort}/health`, ...interval },
    Connect: {
      SidecarService: {
        Port: instance.sidecarPort,
        Checks: [
          { Name: "sidecar is ready", HTTP: `http://${node.address}:${instance.adminPort}/ready`, ...interval },
          { Name: `alias of ${instance.id}`, AliasService: instance.id },
        ],
        Proxy: {
          LocalServiceAddress: node.address,
          LocalServicePort: instance.appPort,
          Config: { admin_bind_address: node.address, admin_bind_port: instance.adminPort },
          Upstreams:
            upstream === undefined
              ? []
              : [
                  {
                    DestinationName: upstream.service,
                    LocalBindAddress: node.address,
                    LocalBindPort: upstream.port,
                  },
                ],
        },
      },
    },
  };
}
