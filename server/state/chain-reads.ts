import type { DiscoveryChain } from "../../lib/contract/discovery-chain.ts";
import { compileChain } from "../chain/compile-chain.ts";
import { chainEntries, tableLookup } from "./chain-entries.ts";
import { createReadSlot, type ReadCache } from "./read-cache.ts";
import type { Read } from "./reader.ts";
import type { Tables } from "./tables.ts";

export type ChainReads = (service: string) => Read<DiscoveryChain | undefined>;

/**
 * The chain of a service; undefined where nothing is said of its calls. Its index moves with every entry that was looked at, those that
 * are not there included. Every write was refused that would have left a chain that cannot be compiled.
 */
export function createChainReads(tables: Tables, cache: ReadCache): ChainReads {
  const slot = createReadSlot<DiscoveryChain | undefined>();
  return (service) =>
    cache.follow(slot, service, () => {
      const watch = new Set<string>();
      const compiled = compileChain(service, chainEntries(tableLookup(tables, (key) => watch.add(key))));
      return { value: compiled.ok ? compiled.chain : undefined, watch: [...watch] };
    });
}
