/** The servers that nodes measure their way to: those that are alive, and where each has said that it is. */
import type { Reference } from "../../lib/client/own-coordinate.ts";
import { formatHostPort } from "../../lib/contract/address.ts";
import type { MemberRecord } from "../../lib/contract/members.ts";
import type { StateReader } from "../state/reader.ts";

export interface References {
  /** One of them, in turn; undefined when there is none, or the one whose turn it is has not said where it is. */
  at(turn: number, isWanted?: (member: MemberRecord) => boolean): NamedReference | undefined;
}

export interface NamedReference extends Reference {
  /** How many members there are, of all kinds. */
  readonly members: number;
}

export function createReferences(reader: Pick<StateReader, "members" | "nodeCoordinates">): References {
  let known: readonly MemberRecord[] = [];
  let servers: readonly MemberRecord[] = [];
  /** The list is the same object for as long as no member changes. */
  const follow = (): void => {
    const members = reader.members().value;
    if (members === known) return;
    known = members;
    servers = members.filter(({ Role, Status, Port }) => Role === "consul" && Status === "alive" && Port > 0);
  };
  return {
    at(turn, isWanted = () => true) {
      follow();
      const wanted = servers.filter(isWanted);
      const server = wanted[turn % wanted.length];
      const coordinate = server && reader.nodeCoordinates(server.Node).value[0]?.Coord;
      if (server === undefined || coordinate === undefined) return undefined;
      const address = formatHostPort({ host: server.Address, port: server.Port });
      return { address, coordinate, members: known.length };
    },
  };
}
