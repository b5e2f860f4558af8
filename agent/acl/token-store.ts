import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "../../lib/base/durable-file.ts";
import { errorMessage, systemErrorCode } from "../../lib/base/errors.ts";
import { parseJsonText } from "../../lib/base/json-file.ts";
import type { Logger } from "../../lib/base/logger.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { type AgentTokenName, agentTokenNames, type AgentTokens } from "../config/acl-options.ts";

/** The secrets that this agent uses itself. They come from its configuration and can be set over the API. */
export interface AgentTokenStore {
  /** Empty where there is none. */
  get(name: AgentTokenName): string;
  /** Resolves when it is in force and, where that is asked for, on disk. An empty secret takes the token away. */
  set(name: AgentTokenName, secret: string): Promise<void>;
}

const fileName = "acl-tokens.json";

/** Tokens that were set and kept win over the configuration's, as in Consul. Rejects with `DATA_CORRUPT`. */
export async function openTokenStore(options: {
  readonly configured: AgentTokens;
  readonly dataDir: string;
  readonly isPersistent: boolean;
  readonly logger: Logger;
}): Promise<AgentTokenStore> {
  const { configured, isPersistent, logger } = options;
  const path = join(options.dataDir, fileName);
  const set = new Map<AgentTokenName, string>(isPersistent ? await load(path) : []);
  for (const [name, secret] of set) {
    if (configured[name] !== "" && configured[name] !== secret) {
      logger.warn("a token that was set over the API is used instead of the configured one", { token: name });
    }
  }
  return {
    get: (name) => set.get(name) ?? configured[name],
    async set(name, secret) {
      set.set(name, secret);
      if (!isPersistent) return;
      const content = `${JSON.stringify(Object.fromEntries(set), undefined, 2)}\n`;
      await replaceFile({ path, content, mode: 0o600, isDurable: true }).catch((error: unknown) => {
        throw new AtollError("INTERNAL", `cannot write ${path}: ${errorMessage(error)}`, { cause: error });
      });
    },
  };
}

/** Of tests and of agents without ACLs. */
export const noTokens: AgentTokenStore = { get: () => "", set: async () => undefined };

async function load(path: string): Promise<Map<AgentTokenName, string>> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (systemErrorCode(error) === "ENOENT") return "{}";
    throw new AtollError("DATA_CORRUPT", `cannot read ${path}: ${errorMessage(error)}`, { cause: error });
  });
  const parsed = parseJsonText(text);
  const value = parsed.ok ? parsed.value : undefined;
  if (typeof value !== "object" || value === null) {
    throw new AtollError("DATA_CORRUPT", `${path} is not the JSON of tokens: repair or remove it`);
  }
  const tokens = new Map<AgentTokenName, string>();
  for (const [key, secret] of Object.entries(value)) {
    const name = agentTokenNames.find((known) => known === key);
    if (name !== undefined && typeof secret === "string") tokens.set(name, secret);
  }
  return tokens;
}
