import { demand } from "../../lib/acl/authorizer.ts";
import type { ServerLink, SignedLeaf } from "../../lib/client/server-link.ts";
import { nodeLivenessCheckId } from "../../lib/contract/catalog.ts";
import type { DeregisterCommand, RegisterCommand } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { StateReader } from "../state/reader.ts";
import type { AclResolver } from "./resolver.ts";

/** Who writes or asks: the node that its certificate proves, and the token it brings for this one thing; may be empty. */
export interface JudgedAgent {
  readonly node: string;
  readonly token: string;
}

/**
 * What an agent may do where ACLs are on. Its certificate is enough for its own node, for what is registered there, and to
 * take anything off it: none of that can come to depend on a token that has expired or was deleted. A service that is not
 * registered there yet needs a token with `service:write`, to register it and to get its certificate.
 */
export interface AgentJudge {
  /** Throws `PERMISSION_DENIED`. The command is of the agent's own node. */
  demandWrite(command: RegisterCommand | DeregisterCommand, agent: JudgedAgent): void;
  /** Throws `PERMISSION_DENIED` unless the agent may have a certificate of the service. */
  demandService(service: string, agent: JudgedAgent): void;
  /** Runs what judges; once more after this server has caught up with the leader if it is refused, as for a new token. */
  judged<T>(run: () => T): Promise<T>;
}

export function createAgentJudge(options: {
  readonly acl: AclResolver;
  readonly reader: Pick<StateReader, "nodeServices" | "nodeChecks" | "nodeOfId">;
  /** Resolves with false where there is nothing to catch up with. */
  readonly catchUp: () => Promise<boolean>;
}): AgentJudge {
  const { acl, reader } = options;

  const demandServiceWrite = (service: string, token: string): void => {
    try {
      demand(acl.resolve(token), "service", "write", service);
    } catch (thrown) {
      if (!(thrown instanceof AtollError)) throw thrown;
      const with_ = token === "" ? "without a token" : "with the token that it was registered with";
      throw new AtollError("PERMISSION_DENIED", `service "${service}" ${with_}: ${thrown.message}`, { cause: thrown });
    }
  };

  /** Another node's ID renames that node, which its own agent may do when it comes back under another name, and nobody else. */
  const demandNodeId = (id: string, { node, token }: JudgedAgent): void => {
    const holder = id === "" ? undefined : reader.nodeOfId(id);
    if (holder === undefined || holder.Node === node) return;
    const liveness = reader.nodeChecks(holder.Node).value.find(({ CheckID }) => CheckID === nodeLivenessCheckId);
    if (liveness?.Status !== "critical") demand(acl.resolve(token), "node", "write", holder.Node);
  };

  return {
    demandWrite(command, { node, token }) {
      if (!acl.settings.isEnabled || command.type === "deregister") return;
      demandNodeId(command.node.ID, { node, token });
      const { service } = command;
      if (service === undefined) return;
      const before = reader.nodeServices(node).value.find((one) => one.ID === service.ID);
      if (before?.Service !== service.Service) demandServiceWrite(service.Service, token);
      const destination = service.Proxy?.DestinationServiceName;
      if (destination !== undefined && destination !== before?.Proxy?.DestinationServiceName) {
        demandServiceWrite(destination, token);
      }
    },
    demandService(service, { node, token }) {
      if (!acl.settings.isEnabled) return;
      const isHere = reader
        .nodeServices(node)
        .value.some((one) => one.Service === service || one.Proxy?.DestinationServiceName === service);
      if (!isHere) demandServiceWrite(service, token);
    },
    async judged(run) {
      try {
        return run();
      } catch (thrown) {
        if (!(thrown instanceof AtollError) || thrown.code !== "PERMISSION_DENIED") throw thrown;
        if (!(await options.catchUp().catch(() => false))) throw thrown;
        return run();
      }
    },
  };
}

/** The link of the agent in a server's own process: judged as one that comes over the network. */
export function judgeLink(options: {
  readonly link: ServerLink;
  readonly judge: AgentJudge;
  readonly node: string;
  /** Signs where `demandService` does not throw. */
  readonly sign: (csrPem: string, demandService: (service: string) => void) => SignedLeaf;
}): ServerLink {
  const { link, judge, node } = options;
  return {
    ...link,
    async write(command, signal, writeOptions = {}) {
      await judge.judged(() => judge.demandWrite(command, { node, token: writeOptions.token ?? "" }));
      return link.write(command, signal, writeOptions);
    },
    sign: (csrPem, _signal, { token = "" } = {}) =>
      judge.judged(() => options.sign(csrPem, (service) => judge.demandService(service, { node, token }))),
  };
}
