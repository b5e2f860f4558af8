import type { FastifyRequest } from "fastify";
import type { ConfigEntryDelete, ConfigEntryUpsert } from "../../lib/contract/commands.ts";
import type { ServiceIntentionsEntry, SourceIntention } from "../../lib/contract/config-entries.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { CatalogServer } from "../server-api.ts";
import { proposeOrThrow } from "./propose.ts";

/** Others may write the same entry between our read and our write, one of them with success each time. */
const maxAttempts = 64;

/** Reads, changes and writes the entry of `destination` until nobody came between; without sources it is deleted. */
export async function changeSources(
  write: { readonly server: CatalogServer; readonly request: FastifyRequest; readonly destination: string },
  change: (sources: readonly SourceIntention[]) => readonly SourceIntention[],
): Promise<void> {
  const { server, request, destination } = write;
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const current = server.reader.configEntry("service-intentions", destination).value;
    const existing = current?.Kind === "service-intentions" ? current : undefined;
    const sources = change(existing?.Sources ?? []);
    const expectedIndex = existing?.ModifyIndex ?? 0;
    const command: ConfigEntryUpsert | ConfigEntryDelete =
      sources.length === 0
        ? { type: "config-entry-delete", kind: "service-intentions", name: destination, expectedIndex }
        : {
            type: "config-entry-upsert",
            entry: entryWith(destination, sources, existing),
            expectedIndex,
          };
    if (await proposeOrThrow({ server, request, command, step: attempt })) return;
  }
  throw new AtollError("CONFLICT", `the intentions of "${destination}" are being changed by others: try again`);
}

function entryWith(
  destination: string,
  sources: readonly SourceIntention[],
  existing: ServiceIntentionsEntry | undefined,
): ServiceIntentionsEntry {
  return {
    Kind: "service-intentions",
    Name: destination,
    Meta: existing?.Meta ?? {},
    Sources: sources,
    ...(existing?.JWT !== undefined && { JWT: existing.JWT }),
  };
}
