import { readFileSync, statSync } from "node:fs";
import type { Clock, Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import { parseJsonText } from "../../lib/base/json-file.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { ProxyConfig } from "../../lib/contract/proxy-config.ts";
import { ProxyConfigReader } from "../../lib/contract/proxy-config-reader.ts";
import { formatIssues } from "../../lib/contract/schema-issues.ts";
import { type SettingSources, sourcesOfDocument } from "../../lib/contract/setting-sources.ts";

const pollIntervalMs = 1_000;

export interface ProxyConfigFile {
  readonly config: ProxyConfig;
  readonly sources: SettingSources;
}

/** Reads and checks a `ProxyConfig` file, of which `reader` may have seen an earlier version. Throws `CONFIG_INVALID` with line and column, or with the paths of wrong fields. */
export function readProxyConfigFile(path: string, reader = new ProxyConfigReader()): ProxyConfigFile {
  const parsed = parseJsonText(readText(path));
  if (!parsed.ok) {
    throw new AtollError("CONFIG_INVALID", `${path}:${parsed.line}:${parsed.column}: ${parsed.message}`);
  }
  const checked = reader.read(parsed.value);
  if (!checked.ok) throw new AtollError("CONFIG_INVALID", `${path}: ${formatIssues(checked.issues)}`);
  return { config: checked.config, sources: sourcesOfDocument(parsed.value, path) };
}

/**
 * Calls `onChange` when one of the files has changed: size, modification time or inode, so that a renamed file counts
 * too. Polling also sees what file events miss: mounted secrets, network file systems.
 */
export class FileWatch {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #paths: readonly string[];
  #seen: string;
  #timer: Timer;

  constructor(clock: Clock, paths: readonly string[], onChange: () => void) {
    this.#clock = clock;
    this.#onChange = onChange;
    this.#paths = paths;
    this.#seen = fingerprint(paths);
    this.#timer = this.#later();
  }

  /** Watches these files from now on. */
  watch(paths: readonly string[]): void {
    this.#paths = paths;
    this.#seen = fingerprint(paths);
  }

  stop(): void {
    this.#timer.cancel();
  }

  #later(): Timer {
    return this.#clock.after(pollIntervalMs, () => {
      const now = fingerprint(this.#paths);
      this.#timer = this.#later();
      if (now === this.#seen) return;
      this.#seen = now;
      this.#onChange();
    });
  }
}

function fingerprint(paths: readonly string[]): string {
  return paths
    .map((path) => {
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat === undefined ? "absent" : `${stat.ino}:${stat.size}:${stat.mtimeMs}`;
    })
    .join("|");
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    throw new AtollError("CONFIG_INVALID", `cannot read ${path}: ${errorMessage(thrown)}`, { cause: thrown });
  }
}
