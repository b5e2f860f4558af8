import { mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePorts } from "../free-ports.ts";

/**
 * Who runs where. `api` is on its way from the virtual machine to ECS and runs on both, `web` is on Kubernetes already and
 * `db` stays on the machine: every call crosses from one platform to another.
 */
export interface Layout {
  /** Everything that the demo writes; also in every command line, so that no process can be lost. */
  readonly folder: string;
  readonly server: NodePlan;
  readonly nodes: Readonly<Record<"vm" | "ecs-task" | "k8s-pod", NodePlan>>;
  readonly instances: Readonly<Record<"web" | "api-vm" | "api-ecs" | "db", InstancePlan>>;
}

export interface NodePlan {
  readonly name: string;
  readonly address: string;
  readonly httpPort: number;
  readonly rpcPort: number;
  readonly dataDir: string;
}

export interface InstancePlan {
  readonly id: string;
  readonly service: "web" | "api" | "db";
  readonly node: NodePlan;
  readonly appPort: number;
  readonly sidecarPort: number;
  /** Where its proxy answers /metrics and /config. */
  readonly adminPort: number;
  readonly upstream?: { readonly service: "api" | "db"; readonly port: number };
}

/** The path of a unix socket below the folder has to fit into about 100 bytes. */
const maxTemporaryDirLength = 50;

/** Makes the folder and chooses addresses and ports that are free at this moment. */
export async function planLayout(): Promise<Layout> {
  const temporary = realpathSync(tmpdir());
  const folder = mkdtempSync(join(temporary.length > maxTemporaryDirLength ? "/tmp" : temporary, "atoll-demo-"));
  const plan = (name: string, lastByte: number) => planNode(folder, { name, preferred: `127.0.0.${lastByte}` });
  const server = await plan("server", 11);
  const vm = await plan("vm", 12);
  const ecs = await plan("ecs-task", 13);
  const pod = await plan("k8s-pod", 14);
  return {
    folder,
    server: server.node,
    nodes: { vm: vm.node, "ecs-task": ecs.node, "k8s-pod": pod.node },
    instances: {
      web: planInstance(pod, { id: "web", service: "web", calls: "api" }),
      "api-vm": planInstance(vm, { id: "api-vm", service: "api", calls: "db" }),
      "api-ecs": planInstance(ecs, { id: "api-ecs", service: "api", calls: "db" }),
      db: planInstance(vm, { id: "db", service: "db" }),
    },
  };
}

interface PlannedNode {
  readonly node: NodePlan;
  /** Free ports on the node's address that have no use yet. */
  readonly spare: number[];
}

const portsPerNode = 10;

async function planNode(
  folder: string,
  wanted: { readonly name: string; readonly preferred: string },
): Promise<PlannedNode> {
  const { address, ports } = await findAddress(wanted.preferred);
  const [httpPort = 0, rpcPort = 0, ...spare] = ports;
  return { node: { name: wanted.name, address, httpPort, rpcPort, dataDir: join(folder, wanted.name) }, spare };
}

/** Linux answers on all of 127.0.0.0/8; elsewhere an address may have to be added first, and one serves for all nodes. */
async function findAddress(preferred: string): Promise<{ address: string; ports: number[] }> {
  try {
    return { address: preferred, ports: await findFreePorts(preferred, portsPerNode) };
  } catch {
    return { address: "127.0.0.1", ports: await findFreePorts("127.0.0.1", portsPerNode) };
  }
}

function planInstance(
  on: PlannedNode,
  wanted: { readonly id: string; readonly service: InstancePlan["service"]; readonly calls?: "api" | "db" },
): InstancePlan {
  const take = (): number => on.spare.pop() ?? 0;
  return {
    id: wanted.id,
    service: wanted.service,
    node: on.node,
    appPort: take(),
    sidecarPort: take(),
    adminPort: take(),
    ...(wanted.calls === undefined ? {} : { upstream: { service: wanted.calls, port: take() } }),
  };
}
