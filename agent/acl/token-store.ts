import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { replaceFile } from "../../lib/base/durable-file.ts";
import { errorMessage, systemErrorCode } from "../../lib/base/errors.ts";
import type { Logger } from "../../lib/base/logger.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { type AgentTokenName, agentTokenNames, type AgentTokens } from "../config/acl-options.ts";

/**
 * The secrets that the agent itself uses: for requests that bring none, for its own registrations, for DNS. They come from the
 * configuration and can be set over the API while it runs; what was set is kept over restarts where that is asked for, and
 * wins over the configuration then. They are never logged or answered.
 */
export interface AgentTokenStore {
  /** Without it there are no tokens to set: 401. */
  readonly isAclEnabled: boolean;
  /** Empty where there is none. */
  get(name: AgentTokenName): string;
  /** For what the agent does of its own accord: the agent's token, or the default one. */
  ownToken(): string;
  /**
   * Resolves when it is in force and, where that is asked for, on disk. An empty secret takes the token away. Rejects with
   * `INTERNAL` when it cannot be kept although it should; it is in force nevertheless.
   */
  set(name: AgentTokenName, secret: string): Promise<void>;
  /** Calls back after each change of a token until closed. */
  onChange(listener: (name: AgentTokenName) => void): { close(): void };
  /** Takes over the tokens of a configuration that was read again; kept ones still win, others that were set are gone. */
  configure(tokens: AgentTokens): void;
}

export interface TokenStoreOptions {
  readonly isAclEnabled: boolean;
  readonly configured: Readonly<Partial<AgentTokens>>;
  /** `enable_token_persistence`. */
  readonly isPersistent: boolean;
  readonly dataDir: string;
  readonly logger: Logger;
}

/** Consul's name and shape of the file. */
const fileName = "acl-tokens.json";
const fileMode = 0o600;
const fileValidator = Compile(Type.Partial(Type.Record(Type.Enum([...agentTokenNames]), Type.String())));

/** Rejects with `DATA_CORRUPT` when the tokens that were kept cannot be read: going on without them would be denied everywhere. */
export async function openTokenStore(options: TokenStoreOptions): Promise<AgentTokenStore> {
  const { isPersistent, logger } = options;
  let { configured } = options;
  const path = join(options.dataDir, fileName);
  const set = isPersistent ? await load(path) : new Map<AgentTokenName, string>();
  for (const [name, secret] of set) {
    if ((configured[name] ?? "") !== "" && configured[name] !== secret) {
      logger.warn("a token that was set over the API is used instead of the configured one", { token: name });
    }
  }
  const listeners = new Set<(name: AgentTokenName) => void>();
  const get = (name: AgentTokenName): string => set.get(name) ?? configured[name] ?? "";
  const tell = (name: AgentTokenName): void => {
    for (const listener of [...listeners]) listener(name);
  };
  let writing: Promise<void> = Promise.resolve();
  // One after the other, each with what holds then: the last one that is written is the last one that was set.
  const write = (): Promise<void> => {
    const done = writing.then(() => {
      const content = `${JSON.stringify(Object.fromEntries(set), undefined, 2)}\n`;
      return replaceFile({ path, content, mode: fileMode, isDurable: true });
    });
    writing = done.catch(() => undefined);
    return done;
  };
  return {
    isAclEnabled: options.isAclEnabled,
    get,
    ownToken: () => get("agent") || get("default"),
    async set(name, secret) {
      set.set(name, secret);
      tell(name);
      if (!isPersistent) return;
      await write().catch((thrown: unknown) => {
        const message = `the token is in use, but cannot be kept in ${path}: ${errorMessage(thrown)}`;
        throw new AtollError("INTERNAL", message, { cause: thrown });
      });
    },
    onChange(listener) {
      listeners.add(listener);
      return { close: () => void listeners.delete(listener) };
    },
    configure(tokens) {
      const before = agentTokenNames.map(get);
      configured = tokens;
      if (!isPersistent) set.clear();
      for (const [i, name] of agentTokenNames.entries()) if (get(name) !== before[i]) tell(name);
    },
  };
}

/** Of tests and of agents without ACLs. */
export const noTokens: AgentTokenStore = {
  isAclEnabled: false,
  get: () => "",
  ownToken: () => "",
  set: async () => undefined,
  onChange: () => ({ close: () => undefined }),
  configure: () => undefined,
};

async function load(path: string): Promise<Map<AgentTokenName, string>> {
  const text = await readFile(path, "utf8").catch((thrown: unknown) => {
    if (systemErrorCode(thrown) === "ENOENT") return "{}";
    throw unusable(path, thrown);
  });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (thrown) {
    throw unusable(path, thrown);
  }
  if (!fileValidator.Check(document)) throw unusable(path, new Error("it must map the names of tokens to texts"));
  const tokens = new Map<AgentTokenName, string>();
  for (const name of agentTokenNames) {
    const secret = document[name];
    if (secret !== undefined) tokens.set(name, secret);
  }
  return tokens;
}

function unusable(path: string, cause: unknown): AtollError {
  // A syntax error quotes what it found, which may be a token.
  const reason = cause instanceof SyntaxError ? "it is no JSON" : errorMessage(cause);
  const message = `the agent's tokens in ${path} cannot be read: ${reason}: repair or remove the file`;
  return new AtollError("DATA_CORRUPT", message, cause instanceof SyntaxError ? {} : { cause });
}
