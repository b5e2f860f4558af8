import { readFile } from "node:fs/promises";
import { errorMessage } from "../../lib/base/errors.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { AgentSettings } from "./agent-settings.ts";

/** The settings with the token that their `joinTokenFile` holds. The token is in no message. */
export async function withJoinToken(settings: AgentSettings): Promise<AgentSettings> {
  const path = settings.joinTokenFile;
  if (path === undefined) return settings;
  if (settings.joinToken !== undefined) {
    throw new AtollError("CONFIG_INVALID", "join_token and join_token_file are both set: leave one of them out");
  }
  try {
    return { ...settings, joinToken: (await readFile(path, "utf8")).trim() };
  } catch (thrown) {
    const message = `join_token_file ${path} cannot be read: ${errorMessage(thrown)}`;
    throw new AtollError("CONFIG_INVALID", message, { cause: thrown });
  }
}
