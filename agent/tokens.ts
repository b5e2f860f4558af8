import { join } from "node:path";
import { readFile } from "node:fs/promises";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { replaceFile } from "../lib/base/durable-file.ts";
import { errorMessage, systemErrorCode } from "../lib/base/errors.ts";
import type { Logger } from "../lib/base/logger.ts";
import { AtollError } from "../lib/contract/error-codes.ts";

/**
 * The tokens that the agent itself uses: for requests that bring none, for its own registrations, for DNS. They come from the
 * configuration and can be exchanged while it runs; what was exchanged is kept over restarts where that is asked for, and wins
 * over the configuration then. They are never logged or answered.
 */
export const agentTokenKinds = [
  "default",
  "agent",
  "agent_recovery",
  "replication",
  "dns",
  "config_file_service_registration",
] as const;
export type AgentTokenKind = (typeof agentTokenKinds)[number];

export interface AgentTokens {
  /** Without it there are no tokens to exchange: 401. */
  readonly isAclEnabled: boolean;
  /** The secret; empty when there is none. */
  get(kind: AgentTokenKind): string;
  /** For what the agent does of its own accord: the agent's token, or the default one. */
  ownToken(): string;
  /** Exchanges one; empty takes it away. Rejects with `INTERNAL` when it cannot be kept although it should; it holds nevertheless. */
  set(kind: AgentTokenKind, secret: string): Promise<void>;
  /** Calls back after each exchange until closed. */
  onChange(listener: (kind: AgentTokenKind) => void): { close(): void };
}

export interface AgentTokensOptions {
  readonly isAclEnabled: boolean;
  readonly configured: Readonly<Partial<Record<AgentTokenKind, string>>>;
  /** `enable_token_persistence`. */
  readonly isPersisted: boolean;
  readonly dataDir: string;
  readonly logger: Logger;
}

/** Consul's name and shape of the file. */
const fileName = "acl-tokens.json";
const fileMode = 0o600;
const fileValidator = Compile(Type.Partial(Type.Record(Type.Enum([...agentTokenKinds]), Type.String())));

/** Rejects with `DATA_CORRUPT` when the tokens that were kept cannot be read: going on without them would be denied everywhere. */
export async function openAgentTokens(options: AgentTokensOptions): Promise<AgentTokens> {
  const path = join(options.dataDir, fileName);
  const kept = options.isPersisted ? await readKept(path) : {};
  const exchanged = new Map<AgentTokenKind, string>();
  for (const kind of agentTokenKinds) {
    const secret = kept[kind];
    if (secret === undefined) continue;
    exchanged.set(kind, secret);
    if (options.configured[kind]) {
      options.logger.warn("a token that was exchanged before wins over the configuration's", { token: kind });
    }
  }
  const listeners = new Set<(kind: AgentTokenKind) => void>();
  const get = (kind: AgentTokenKind): string => exchanged.get(kind) ?? options.configured[kind] ?? "";
  let writing: Promise<void> = Promise.resolve();
  const write = (): Promise<void> => {
    const done = writing.then(() =>
      replaceFile({ path, content: JSON.stringify(Object.fromEntries(exchanged)), mode: fileMode, isDurable: true }),
    );
    writing = done.catch(() => undefined);
    return done;
  };
  return {
    isAclEnabled: options.isAclEnabled,
    get,
    ownToken: () => get("agent") || get("default"),
    async set(kind, secret) {
      exchanged.set(kind, secret);
      for (const listener of [...listeners]) listener(kind);
      if (!options.isPersisted) return;
      await write().catch((thrown: unknown) => {
        const message = `the token is in use, but cannot be kept in ${path}: ${errorMessage(thrown)}`;
        throw new AtollError("INTERNAL", message, { cause: thrown });
      });
    },
    onChange(listener) {
      listeners.add(listener);
      return { close: () => void listeners.delete(listener) };
    },
  };
}

async function readKept(path: string): Promise<Partial<Record<AgentTokenKind, string>>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return {};
    throw unusable(path, thrown);
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (thrown) {
    throw unusable(path, thrown);
  }
  if (fileValidator.Check(document)) return document;
  throw unusable(path, new Error("it must map the names of tokens to texts"));
}

function unusable(path: string, cause: unknown): AtollError {
  // A syntax error quotes what it found, which may be a token.
  const reason = cause instanceof SyntaxError ? "it is no JSON" : errorMessage(cause);
  const message = `the agent's tokens in ${path} cannot be read: ${reason}: repair or remove the file`;
  return new AtollError("DATA_CORRUPT", message, cause instanceof SyntaxError ? {} : { cause });
}
