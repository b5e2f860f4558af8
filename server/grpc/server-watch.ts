import { isDeepStrictEqual } from "node:util";
import type { BlockingReader } from "../state/reader.ts";

export interface WireServer {
  readonly id: string;
  readonly address: string;
  readonly version: string;
}

/** How long one look lasts; the token is asked about again before the next. */
const lookMs = 60_000;

/** Sends the servers that hold their lease at once and whenever they change, until the signal. Rejects as `demandToken` does. */
export async function watchServers(options: {
  readonly blocking: BlockingReader;
  readonly signal: AbortSignal;
  readonly demandToken: () => Promise<void>;
  readonly send: (servers: readonly WireServer[]) => void;
}): Promise<void> {
  const { blocking, signal } = options;
  let sent: readonly WireServer[] | undefined;
  let minIndex = 0;
  while (!signal.aborted) {
    await options.demandToken();
    const { index, value } = await blocking.read((reader) => reader.members(), { minIndex, waitMs: lookMs, signal });
    if (signal.aborted) return;
    minIndex = Math.max(1, index);
    const servers = value
      .filter(({ Role, Status }) => Role === "consul" && Status === "alive")
      .map(({ ID, Address, Build }) => ({ id: ID, address: Address, version: Build }));
    if (isDeepStrictEqual(servers, sent)) continue;
    options.send(servers);
    sent = servers;
  }
}
