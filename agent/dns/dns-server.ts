/**
 * DNS of an agent: UDP and TCP on one port, answers from the servers' catalog, other names from recursors. A message walks
 * socket -> wire/query -> resolver (asked-name -> catalog -> records) -> message -> socket.
 */
import type { MeteredRuntime } from "../../lib/base/runtime.ts";
import type { ServerLink } from "../../lib/client/server-link.ts";
import { formatHostPort, type HostPort, isLoopbackHost, parseHostPort } from "../../lib/contract/address.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import { type Answerer, createAnswerer } from "./answerer.ts";
import { createDnsMetrics, type DnsMetrics } from "./dns-metrics.ts";
import type { DnsSettings } from "./dns-settings.ts";
import { createHotAnswers } from "./hot-answers.ts";
import { createNameFollower } from "./name-follower.ts";
import { createRecursor } from "./recursor.ts";
import { createResolver } from "./resolver.ts";
import { createLinkCatalog } from "./source/link-catalog.ts";
import { createWatchedReads, type WatchedReads } from "./source/watched-reads.ts";
import { listenTcp } from "./tcp-listener.ts";
import { type DnsListener, listenUdp } from "./udp-listener.ts";

export interface DnsServerOptions {
  readonly runtime: MeteredRuntime;
  readonly link: Pick<ServerLink, "forward">;
  readonly settings: DnsSettings;
  /** Port 0: any that is free on both transports. */
  readonly listen: HostPort;
  /** Of questions to the servers: the DNS token, or else the default one; undefined for none. Asked for at each request. */
  readonly token?: () => string | undefined;
}

export interface DnsServer {
  readonly address: HostPort;
  /** Answers by other settings from now on, on the same sockets. What is under way ends by those that it began with. */
  reload(settings: DnsSettings): void;
  /** Answers of recursors that are still awaited are given up. */
  close(): Promise<void>;
}

/** Tries for a port that is free on both transports. */
const maxPortTries = 10;

/** Rejects with `ADDRESS_IN_USE`; then nothing is left running. */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const { listen } = options;
  const runtime: MeteredRuntime = { ...options.runtime, logger: options.runtime.logger.child("dns") };
  const { clock, logger } = runtime;
  let { settings } = options;
  const reads = createWatchedReads({
    link: options.link,
    runtime,
    token: options.token ?? (() => undefined),
    maxStaleMs: () => settings.maxStaleMs,
  });
  const metrics = createDnsMetrics(runtime.metrics, reads.size);
  const closing = new AbortController();
  const answererBy = (by: DnsSettings): Answerer =>
    createAnswererBy({ settings: by, listen, runtime, reads, metrics, signal: closing.signal });
  let answer = answererBy(settings);
  const onDrop = (): void => metrics.dropped("overload");
  const listenBoth = async (port: number): Promise<readonly [DnsListener, DnsListener]> => {
    const tcp = await listenTcp({
      listen: { host: listen.host, port },
      handle: (message, source) => answer(message, source, "tcp"),
      clock,
      onDrop,
    });
    try {
      const udp = await listenUdp({
        listen: { host: listen.host, port: tcp.address.port },
        handle: (message, source) => answer(message, source, "udp"),
        onDrop,
        onError: (error) => logger.warn("UDP socket", { error: error.message }),
      });
      return [udp, tcp];
    } catch (thrown) {
      await tcp.close();
      throw thrown;
    }
  };
  try {
    const listeners = await retryInUse(() => listenBoth(listen.port), listen.port === 0 ? maxPortTries : 1);
    const [{ address }] = listeners;
    logger.info("DNS is up", { address: formatHostPort(address), domains: settings.domains.join(",") });
    return {
      address,
      reload(next) {
        settings = next;
        answer = answererBy(next);
      },
      async close() {
        closing.abort();
        await Promise.all(listeners.map((listener) => listener.close()));
        reads.close();
      },
    };
  } catch (thrown) {
    closing.abort();
    reads.close();
    throw thrown;
  }
}

/** Everything that depends on the settings: what is remembered of answers too, so that none of before is given. */
function createAnswererBy(parts: {
  readonly settings: DnsSettings;
  readonly listen: HostPort;
  readonly runtime: MeteredRuntime;
  readonly reads: WatchedReads;
  readonly metrics: DnsMetrics;
  readonly signal: AbortSignal;
}): Answerer {
  const { settings, reads, metrics, signal } = parts;
  const { clock, random, logger } = parts.runtime;
  const recursor = createRecursor({
    settings: withoutItself(settings, parts.listen),
    clock,
    random,
    signal,
    onFailure(address) {
      metrics.recursorFailed();
      logger.debug("a recursor did not answer", { recursor: address });
    },
  });
  const { datacenter, isStaleAllowed } = settings;
  const resolve = createResolver({
    settings,
    catalog: createLinkCatalog({ reads, datacenter, isStaleAllowed, clock }),
    follower: createNameFollower(recursor, random),
    clock,
    random,
  });
  const hot = createHotAnswers({ version: reads.version, clock, random });
  return createAnswerer({ settings, resolve, recursor, hot, metrics, logger });
}

/** A recursor that is this very listener would ask itself for ever. */
function withoutItself(settings: DnsSettings, listen: HostPort): DnsSettings {
  const isOwn = (recursor: string): boolean => {
    const address = parseHostPort(recursor);
    if (address?.port !== listen.port) return false;
    const isAnywhere = listen.host === "0.0.0.0" || listen.host === "::";
    return address.host === listen.host || (isAnywhere && isLoopbackHost(address.host));
  };
  return { ...settings, recursors: settings.recursors.filter((recursor) => !isOwn(recursor)) };
}

async function retryInUse<T>(attempt: () => Promise<T>, tries: number): Promise<T> {
  for (let left = tries - 1; ; left--) {
    try {
      return await attempt();
    } catch (thrown) {
      if (left <= 0 || !(thrown instanceof AtollError) || thrown.code !== "ADDRESS_IN_USE") throw thrown;
    }
  }
}
