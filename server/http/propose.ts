import type { FastifyRequest } from "fastify";
import type { Command } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { CatalogServer } from "../server-api.ts";
import { noteWriteIndex, requestIdOf } from "./request-id.ts";

export interface Proposal {
  readonly server: Pick<CatalogServer, "log">;
  /** Names the write. */
  readonly request: FastifyRequest;
  readonly command: Command;
  /** Tells the commands of one request apart when it makes several, in the same order on every retry. */
  readonly step?: number;
}

/**
 * Sends a command through the log and resolves when it is durable and applied: true, or false when a compare-and-set
 * found another index. What the state refuses is thrown with its code. A write goes on when its client goes away: the
 * outcome would be unknown otherwise.
 */
export async function proposeOrThrow({ server, request, command, step }: Proposal): Promise<boolean> {
  const id = requestIdOf(request);
  const options = id === "" ? {} : { requestId: step === undefined ? id : `${id}#${step}` };
  const { index, result } = await server.log.propose(command, undefined, options);
  if (!result.ok) throw new AtollError(result.code, result.message);
  if (result.applied) noteWriteIndex(request, index);
  return result.applied;
}
