import type { Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { NodeRecord, ServiceFields } from "../../lib/contract/catalog.ts";
import { leaseOwner } from "../../lib/contract/catalog.ts";
import type { RegisterCommand } from "../../lib/contract/commands.ts";
import type { MemberRecord } from "../../lib/contract/members.ts";
import type { ReplicatedLog } from "../log/replicated-log.ts";
import type { StateReader } from "../state/reader.ts";

/** The service that every server is in the catalog: Consul's name for it, which dashboards and DNS ask for. */
export const serverServiceName = "consul";
const intervalMs = 1_000;

export interface ServerServicesOptions {
  readonly log: Pick<ReplicatedLog, "propose" | "leadership">;
  readonly reader: Pick<StateReader, "members" | "node" | "nodeServices">;
  readonly runtime: Runtime;
}

/** On the leader: registers the service `consul` on the node of each server that holds its lease. It goes with the node. */
export function keepServerServices({ log, reader, runtime }: ServerServicesOptions): { close(): void } {
  const { clock, logger } = runtime;
  let isClosed = false;
  let timer: Timer;

  const look = async (): Promise<void> => {
    if (!log.leadership().isLeader) return;
    for (const command of missingServerServices(reader)) {
      const { result } = await log.propose(command);
      if (!result.ok)
        logger.warn("a server could not be registered", { node: command.node.Node, error: result.message });
    }
  };
  const lookLater = (): void => {
    timer = clock.after(intervalMs, () => {
      void look()
        .catch((thrown: unknown) => logger.debug("servers are not registered", { error: errorMessage(thrown) }))
        .finally(() => {
          if (!isClosed) lookLater();
        });
    });
  };
  lookLater();
  return {
    close() {
      isClosed = true;
      timer.cancel();
    },
  };
}

/** What is to be written so that every living server is in the catalog where it listens. */
export function missingServerServices(reader: ServerServicesOptions["reader"]): readonly RegisterCommand[] {
  return reader.members().value.flatMap((member) => {
    const node = member.Role === "consul" && member.Status === "alive" ? reader.node(member.Node).value : undefined;
    if (node === undefined) return [];
    const known = reader.nodeServices(member.Node).value.find(({ ID }) => ID === serverServiceName);
    if (known?.Port === member.Port && known.Meta["version"] === member.Build) return [];
    return [registration(member, node)];
  });
}

function registration(member: MemberRecord, node: NodeRecord): RegisterCommand {
  const { CreateIndex: _created, ModifyIndex: _modified, ...fields } = node;
  const service: ServiceFields = {
    Kind: "",
    ID: serverServiceName,
    Service: serverServiceName,
    Tags: [],
    Meta: { version: member.Build, raft_version: "3" },
    Port: member.Port,
    Address: "",
    TaggedAddresses: {},
    Weights: { Passing: 1, Warning: 1 },
    EnableTagOverride: false,
    Connect: { Native: false },
    Owner: leaseOwner,
  };
  return { type: "register", node: fields, skipNodeUpdate: true, service, checks: [] };
}
