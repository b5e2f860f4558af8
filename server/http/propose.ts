import type { Command } from "../../lib/contract/commands.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { CatalogServer } from "../server-api.ts";

/**
 * Sends a command through the log and resolves when it is durable and applied: true, or false when a compare-and-set
 * found another index. What the state refuses is thrown with its code. A write goes on when its client goes away: the
 * outcome would be unknown otherwise.
 */
export async function proposeOrThrow(server: CatalogServer, command: Command): Promise<boolean> {
  const { result } = await server.log.propose(command);
  if (!result.ok) throw new AtollError(result.code, result.message);
  return result.applied;
}
