import type { Sight } from "../../lib/acl/sight.ts";
import { aggregateStatus, type CheckRecord, type ServiceInstance } from "../../lib/contract/catalog.ts";
import { checkAnswer } from "../../lib/http/check-answer.ts";
import type { StateReader } from "../state/reader.ts";
import { seesCheck, seesService } from "./acl-sight.ts";
import { nodeAnswer, nodeServiceAnswer } from "./catalog-answers.ts";

/** What Consul's web page shows of nodes and services: counts over the catalog, made when they are asked for. */
export interface Counts {
  readonly Total: number;
  readonly Passing: number;
  readonly Warning: number;
  readonly Critical: number;
}

export function countByStatus(statuses: readonly CheckRecord["Status"][]): Counts {
  const count = (status: CheckRecord["Status"]): number => statuses.filter((one) => one === status).length;
  return {
    Total: statuses.length,
    Passing: count("passing"),
    Warning: count("warning"),
    Critical: count("critical"),
  };
}

/** A node with all that is registered on it; undefined for one that is not there. */
export function nodeSummary(reader: StateReader, name: string, sight: Sight): object | undefined {
  const node = reader.node(name).value;
  if (node === undefined) return undefined;
  return {
    ...nodeAnswer(node),
    PeerName: "",
    Services: sight.keep(reader.nodeServices(name).value, seesService).map(nodeServiceAnswer),
    Checks: sight.keep(reader.nodeChecks(name).value, seesCheck).map(checkAnswer),
  };
}

export function serviceSummary(
  name: string,
  instances: readonly ServiceInstance[],
  connect: readonly ServiceInstance[],
  datacenter: string,
): object {
  const checks = instances.flatMap(({ Checks }) => Checks);
  const { Passing, Warning, Critical } = countByStatus(checks.map(({ Status }) => Status));
  const external = new Set(
    instances.flatMap(({ Service, Node }) =>
      [Service.Meta["external-source"], Node.Meta["external-source"]].filter((source) => source !== undefined),
    ),
  );
  return {
    Kind: instances[0]?.Service.Kind ?? "",
    Name: name,
    Datacenter: datacenter,
    Tags: [...new Set(instances.flatMap(({ Service }) => Service.Tags))].sort(),
    Nodes: [...new Set(instances.map(({ Node }) => Node.Node))].sort(),
    ExternalSources: [...external].sort(),
    InstanceCount: instances.length,
    ChecksPassing: Passing,
    ChecksWarning: Warning,
    ChecksCritical: Critical,
    ConnectNative: instances.some(({ Service }) => Service.Connect.Native),
    ConnectedWithProxy: connect.length > 0,
    ConnectedWithGateway: false,
    TransparentProxy: false,
    GatewayConfig: {},
  };
}

/** Totals over the whole catalog. */
export function catalogOverview(reader: StateReader): object {
  const nodes = reader.nodes().value.map(({ Node }) => aggregateStatus(ownChecks(reader, Node)));
  const services = [...reader.services().value.keys()].map((name) => {
    const statuses = reader.serviceInstances(name).value.map(({ Checks }) => aggregateStatus(Checks));
    return { Name: name, ...countByStatus(statuses) };
  });
  const byName = new Map<string, CheckRecord["Status"][]>();
  for (const { Name, Status } of reader.checksInState("any").value) {
    const statuses = byName.get(Name);
    if (statuses === undefined) byName.set(Name, [Status]);
    else statuses.push(Status);
  }
  const tenancy = { Partition: "default", Namespace: "default" };
  return {
    Nodes: [{ Name: "", ...tenancy, ...countByStatus(nodes) }],
    Services: services.map((one) => ({ ...one, ...tenancy })),
    Checks: [...byName].map(([name, statuses]) => ({ Name: name, ...tenancy, ...countByStatus(statuses) })),
  };
}

function ownChecks(reader: StateReader, node: string): readonly CheckRecord[] {
  return reader.nodeChecks(node).value.filter(({ ServiceID }) => ServiceID === "");
}
