import type { Runtime } from "../lib/base/runtime.ts";
import { sleep, type Timer } from "../lib/base/clock.ts";
import { errorMessage } from "../lib/base/errors.ts";
import type { ProxyConfig } from "../lib/contract/proxy-config.ts";
import { type AdminPages, createAdminListener } from "./admin/listener.ts";
import { textReply } from "./exchange/local-reply.ts";
import type { LocalReply } from "./exchange/policy.ts";
import { InboundListener } from "./inbound/listener.ts";
import { OutboundListener } from "./outbound/listener.ts";
import type { ProxyContext } from "./proxy-context.ts";
import { expositionContentType, renderFamilies } from "./telemetry/exposition.ts";
import { proxyFamilies } from "./telemetry/proxy-families.ts";
import type { Member } from "./connection-set.ts";
import { BufferedMemory } from "./buffered-memory.ts";
import { BufferPool } from "./http2/output-buffer.ts";
import type { Serving } from "./serving.ts";
import { WriteTurn } from "./transport/outbox.ts";
import type { TlsIdentity, Transport } from "./transport/transport.ts";

const sweepIntervalMs = 1_000;
/** Between two looks whether the last connection has ended while draining. */
const drainPollMs = 50;
export const defaultDrainMs = 30_000;

export interface ProxyOptions {
  readonly runtime: Runtime;
  readonly transport: Transport;
  /** Reads and checks the files of an identity; throws an `AtollError`. */
  readonly loadIdentity: (files: ProxyConfig["identity"]) => TlsIdentity;
  readonly residentBytes: () => number;
  /** `/drain` was asked for. */
  readonly onDrainRequested: () => void;
}

/**
 * One proxy: listeners for what comes in from the mesh and what the local applications call, one identity, one admin
 * address. A configuration is applied whole or not at all.
 */
export class MeshProxy {
  readonly #options: ProxyOptions;
  readonly #context: ProxyContext;
  readonly #admin: Serving<Member>;
  #identity: TlsIdentity;
  #config: ProxyConfig;
  #version = 0;
  #inbound = new Map<string, InboundListener>();
  #outbound = new Map<string, OutboundListener>();
  /** Listeners that left the configuration and still have connections. */
  #leaving = new Set<InboundListener | OutboundListener>();
  #timer: Timer | undefined;
  #state: "serving" | "draining" | "stopped" = "serving";

  /** Throws an `AtollError` when the identity or an address cannot be used; nothing stays bound then. */
  constructor(options: ProxyOptions, config: ProxyConfig) {
    this.#options = options;
    this.#config = config;
    this.#identity = options.loadIdentity(config.identity);
    const buffers = new BufferPool();
    this.#context = {
      ...options.runtime,
      transport: options.transport,
      identity: () => this.#identity,
      turn: new WriteTurn(options.transport),
      buffers,
      limits: () => this.#config.limits,
      memory: new BufferedMemory({
        waiting: options.transport,
        lent: buffers,
        maxBytes: () => this.#config.limits.memory.maxBufferedBytes,
      }),
    };
    const pages: AdminPages = {
      metrics: () => this.#metricsPage(),
      ready: () => this.#readyPage(),
      config: () => jsonReply({ version: this.#version, config: this.#config }),
      drain: () => {
        options.onDrainRequested();
        return textReply(200, "draining");
      },
    };
    this.#admin = createAdminListener(this.#context, { listen: config.admin.listen, pages });
    this.#admin.listen();
    try {
      this.apply(config, this.#version);
    } catch (thrown) {
      this.#admin.destroy();
      throw thrown;
    }
    this.#sweepLater();
  }

  get version(): number {
    return this.#version;
  }

  get adminPort(): number {
    return this.#admin.port;
  }

  /** Ports in force by listen address, for configurations that ask for port 0. */
  portOf(listen: string): number | undefined {
    return (this.#inbound.get(listen) ?? this.#outbound.get(listen))?.serving.port;
  }

  /**
   * Replaces the configuration without touching a connection that it still covers. Throws an `AtollError` and changes
   * nothing when the identity cannot be used or a new address not be bound. A changed admin address is not followed.
   */
  apply(config: ProxyConfig, version: number): void {
    const previousIdentity = this.#identity;
    this.#identity = this.#options.loadIdentity(config.identity);
    const added: (InboundListener | OutboundListener)[] = [];
    const inbound = new Map<string, InboundListener>();
    const outbound = new Map<string, OutboundListener>();
    try {
      for (const one of config.inbound) {
        const kept = this.#inbound.get(one.listen);
        inbound.set(one.listen, kept ?? listenNew(new InboundListener(this.#context, one), added));
      }
      for (const one of config.outbound) {
        const kept = this.#outbound.get(one.listen);
        outbound.set(one.listen, kept ?? listenNew(new OutboundListener(this.#context, one), added));
      }
    } catch (thrown) {
      for (const listener of added) listener.serving.destroy();
      this.#identity = previousIdentity;
      throw thrown;
    }
    for (const one of config.inbound) inbound.get(one.listen)?.update(one);
    for (const one of config.outbound) outbound.get(one.listen)?.update(one);
    const kept = new Set<unknown>([...inbound.values(), ...outbound.values()]);
    for (const listener of [...this.#inbound.values(), ...this.#outbound.values()]) {
      if (kept.has(listener)) continue;
      listener.serving.drain();
      this.#leaving.add(listener);
    }
    this.#inbound = inbound;
    this.#outbound = outbound;
    this.#config = config;
    this.#version = version;
  }

  /** Stops accepting, lets what is under way finish, and resolves when all is done or the deadline has passed. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#state === "serving") this.#state = "draining";
    const { clock } = this.#options.runtime;
    const endMs = clock.monotonicMs() + deadlineMs;
    for (const listener of this.#listeners()) listener.serving.drain();
    // What was answered in this turn, the request to drain among it, leaves at its end.
    await new Promise<void>((resolve) => this.#options.transport.atEndOfTurn(resolve));
    while (this.#listeners().some((one) => one.serving.members.size > 0) && clock.monotonicMs() < endMs) {
      await sleep(clock, drainPollMs);
    }
  }

  /** Closes everything at once. */
  stop(): void {
    this.#state = "stopped";
    this.#timer?.cancel();
    for (const listener of this.#listeners()) listener.serving.destroy();
    this.#admin.destroy();
  }

  #listeners(): (InboundListener | OutboundListener)[] {
    return [...this.#inbound.values(), ...this.#outbound.values(), ...this.#leaving];
  }

  #sweepLater(): void {
    this.#timer = this.#options.runtime.clock.after(sweepIntervalMs, () => {
      const nowMs = this.#options.runtime.clock.monotonicMs();
      for (const listener of this.#listeners()) listener.sweep(nowMs);
      for (const listener of this.#leaving) {
        if (listener.serving.members.size === 0) this.#leaving.delete(listener);
      }
      this.#admin.sweep(nowMs);
      this.#sweepLater();
    });
  }

  #readyPage(): LocalReply {
    if (this.#state !== "serving") return textReply(503, this.#state);
    if (this.#identity.notAfterMs <= this.#options.runtime.clock.nowMs()) {
      return textReply(503, "the leaf certificate has expired");
    }
    return textReply(200, "ready");
  }

  #metricsPage(): LocalReply {
    const families = proxyFamilies({
      listeners: this.#listeners(),
      configVersion: this.#version,
      certificateExpiryMs: this.#identity.notAfterMs,
      residentBytes: this.#options.residentBytes(),
      bufferedBytes: this.#context.memory.totalBytes,
      maxBufferedBytes: this.#config.limits.memory.maxBufferedBytes,
    });
    return { action: "reply", status: 200, contentType: expositionContentType, body: renderFamilies(families) };
  }
}

function listenNew<T extends InboundListener | OutboundListener>(listener: T, added: unknown[]): T {
  listener.serving.listen();
  added.push(listener);
  return listener;
}

function jsonReply(value: unknown): LocalReply {
  return {
    action: "reply",
    status: 200,
    contentType: "application/json",
    body: `${JSON.stringify(value, undefined, 2)}\n`,
  };
}

/** The line logged when a new configuration is refused: what stands stays in force. */
export function rejectionMessage(thrown: unknown): string {
  return `configuration refused, the previous one stays in force: ${errorMessage(thrown)}`;
}
