import type { ProxyConfig } from "../lib/contract/proxy-config.ts";
import { InboundListener } from "./inbound/listener.ts";
import { OutboundListener } from "./outbound/listener.ts";
import type { ProxyContext } from "./proxy-context.ts";

export type AnyListener = InboundListener | OutboundListener;

/**
 * The listeners of one proxy, by address. One whose address stays keeps its socket and its connections, whatever else changes; one
 * that leaves the configuration drains.
 */
export class ListenerSet {
  readonly #context: ProxyContext;
  #inbound = new Map<string, InboundListener>();
  #outbound = new Map<string, OutboundListener>();
  /** Listeners that left the configuration and still have connections. */
  readonly #leaving = new Set<AnyListener>();

  constructor(context: ProxyContext) {
    this.#context = context;
  }

  get all(): readonly AnyListener[] {
    return [...this.#current(), ...this.#leaving];
  }

  /** Bytes of clients, both ways; falls when a listener is gone. */
  get movedBytes(): number {
    return this.all.reduce(
      (sum, { serving: { connections } }) => sum + connections.readBytes + connections.writeBytes,
      0,
    );
  }

  /** Ports in force by listen address, which differ from it where it asks for any. */
  ports(): Record<string, number> {
    return Object.fromEntries(this.#current().map((one) => [one.config.listen, one.serving.port]));
  }

  /**
   * All of it or nothing: throws an `AtollError` when a new address cannot be bound. Listeners whose settings are the same object are
   * left alone, unless there is another identity.
   */
  apply(config: ProxyConfig, hasNewIdentity: boolean): void {
    const added: AnyListener[] = [];
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
      throw thrown;
    }
    const previous = this.#current();
    this.#inbound = inbound;
    this.#outbound = outbound;
    for (const one of config.inbound) update(inbound.get(one.listen), one, hasNewIdentity);
    for (const one of config.outbound) update(outbound.get(one.listen), one, hasNewIdentity);
    const kept = new Set<AnyListener>(this.#current());
    for (const listener of previous) {
      if (kept.has(listener)) continue;
      listener.serving.drain(config.drainTimeoutMs);
      this.#leaving.add(listener);
    }
  }

  /** Stops accepting everywhere; see {@link isOver}. */
  drain(timeoutMs: number): void {
    for (const listener of this.all) listener.serving.drain(timeoutMs);
  }

  /** After `drain`: no connection is left. */
  get isOver(): boolean {
    return this.all.every((listener) => listener.serving.isOver);
  }

  sweep(nowMs: number): void {
    for (const listener of this.all) listener.sweep(nowMs);
    for (const listener of this.#leaving) {
      if (listener.serving.isOver) this.#leaving.delete(listener);
    }
  }

  destroy(): void {
    for (const listener of this.all) listener.serving.destroy();
  }

  #current(): AnyListener[] {
    return [...this.#inbound.values(), ...this.#outbound.values()];
  }
}

function listenNew<T extends AnyListener>(listener: T, added: AnyListener[]): T {
  // First, so that also one that cannot be bound is ended with all that it has begun.
  added.push(listener);
  listener.serving.listen();
  return listener;
}

/** Settings that are the same object have changed nothing (`ProxyConfigReader`). */
function update<C>(
  listener: { readonly config: C; update(config: C): void } | undefined,
  config: C,
  isForced: boolean,
): void {
  if (listener !== undefined && (isForced || listener.config !== config)) listener.update(config);
}
