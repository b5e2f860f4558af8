import type { FastifyRequest } from "fastify";
import type { Command, CommandResult } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { CatalogServer } from "../server-api.ts";
import { noteWriteIndex, requestIdOf } from "./request-id.ts";

type Refused = Extract<CommandResult, { readonly ok: false }>;
type Accepted = Extract<CommandResult, { readonly ok: true }>;

export interface Proposal {
  readonly server: Pick<CatalogServer, "log">;
  /** Names the write. */
  readonly request: FastifyRequest;
  readonly command: Command;
  /** Tells the commands of one request apart when it makes several, in the same order on every retry. */
  readonly step?: number;
  /** Where Consul answers what the state refuses with another status than the table of errors has. */
  readonly statuses?: Partial<Readonly<Record<Refused["code"], number>>>;
}

/**
 * Sends a command through the log and resolves when it is durable and applied: true, or false when a compare-and-set
 * found another index. What the state refuses is thrown with its code. A write goes on when its client goes away: the
 * outcome would be unknown otherwise.
 */
export async function proposeOrThrow(proposal: Proposal): Promise<boolean> {
  return (await proposeForResult(proposal)).applied;
}

/** The same with all that the state says of a command that it took. */
export async function proposeForResult({ server, request, command, step, statuses }: Proposal): Promise<Accepted> {
  const id = requestIdOf(request);
  const options = id === "" ? {} : { requestId: step === undefined ? id : `${id}#${step}` };
  const { index, result } = await server.log.propose(command, undefined, options);
  if (!result.ok) {
    const status = statuses?.[result.code];
    throw new AtollError(result.code, result.message, status === undefined ? {} : { status });
  }
  if (result.applied) noteWriteIndex(request, index);
  return result;
}
