import { parseHostPort } from "../../lib/contract/address.ts";
import type { StateReader } from "../state/reader.ts";

/** The names of servers: the membership knows ids and addresses, the catalog knows which node that is. */
export interface NodeNames {
  /** Consul's `(unknown)` for a server that no node of the catalog can be told to be. */
  nameOf(member: { readonly node: string; readonly address: string }): string;
}

export function createNodeNames(reader: Pick<StateReader, "nodes">): NodeNames {
  return {
    nameOf({ node, address }) {
      const nodes = reader.nodes().value;
      const host = parseHostPort(address)?.host;
      const byId = nodes.find((record) => record.ID === node);
      const byAddress = nodes.filter((record) => record.Address === host);
      // Several nodes share an address on one machine: none of them is certain to be the server.
      return byId?.Node ?? (byAddress.length === 1 ? byAddress[0]?.Node : undefined) ?? "(unknown)";
    },
  };
}
