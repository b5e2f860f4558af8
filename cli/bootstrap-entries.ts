import { sleep } from "../lib/base/clock.ts";
import { errorMessage } from "../lib/base/errors.ts";
import type { Runtime } from "../lib/base/runtime.ts";
import type { ConfigEntry } from "../lib/contract/config-entries.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { decodeConfigEntry } from "../server/http/config-entry-decoder.ts";
import type { CatalogServer } from "../server/server-api.ts";

const retryMs = 1_000;

/**
 * Consul's `config_entries.bootstrap`: the leader writes each entry that is not there yet, and leaves alone what is. A server
 * that does not lead looks again until another has done it, or until it leads itself. Throws `CONFIG_INVALID` for an entry that
 * is none.
 */
export function writeBootstrapEntries(parts: {
  readonly server: Pick<CatalogServer, "log" | "reader">;
  readonly documents: readonly object[];
  readonly runtime: Runtime;
}): { close(): Promise<void> } {
  const entries = parts.documents.map(mustDecode);
  const stopping = new AbortController();
  const written = write({ ...parts, entries, signal: stopping.signal });
  return {
    async close() {
      stopping.abort();
      await written;
    },
  };
}

function mustDecode(document: object, at: number): ConfigEntry {
  try {
    return decodeConfigEntry(document);
  } catch (cause) {
    const message = `config_entries.bootstrap[${at}]: ${errorMessage(cause)}`;
    throw new AtollError("CONFIG_INVALID", message, { cause });
  }
}

async function write(parts: {
  readonly server: Pick<CatalogServer, "log" | "reader">;
  readonly entries: readonly ConfigEntry[];
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { server, runtime, signal } = parts;
  const logger = runtime.logger.child("bootstrap");
  let left = parts.entries;
  while (left.length > 0 && !signal.aborted) {
    const later: ConfigEntry[] = [];
    for (const entry of left) {
      const which = { kind: entry.Kind, name: entry.Name };
      if (server.reader.configEntry(entry.Kind, entry.Name).value !== undefined) continue;
      try {
        const { result } = await server.log.propose({ type: "config-entry-upsert", entry, expectedIndex: 0 });
        if (result.ok) logger.info("wrote a config entry of the configuration", which);
        else logger.error("a config entry of the configuration was refused", { ...which, error: result.message });
      } catch (thrown) {
        logger.debug("a config entry of the configuration waits", { ...which, error: errorMessage(thrown) });
        later.push(entry);
      }
    }
    left = later;
    if (left.length > 0) await sleep(runtime.clock, retryMs, signal);
  }
}
