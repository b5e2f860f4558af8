import { sleep, type Timer } from "../lib/base/clock.ts";
import type { Runtime } from "../lib/base/runtime.ts";
import type { ProxyConfig } from "../lib/contract/proxy-config.ts";
import type { ProxyLimits } from "../lib/contract/proxy-limits.ts";
import { createFetchText, type FetchText } from "./authz/jwt/key-source.ts";
import { BufferedMemory } from "./buffered-memory.ts";
import { BufferPool } from "./http2/output-buffer.ts";
import { ListenerSet } from "./listener-set.ts";
import type { ProxyContext } from "./proxy-context.ts";
import type { Family } from "./telemetry/exposition.ts";
import type { TelemetryOutputs } from "./telemetry/outputs.ts";
import { type MemoryUsage, proxyFamilies } from "./telemetry/proxy-families.ts";
import { QuietTimes } from "./quiet-times.ts";
import { ProxyTelemetry } from "./telemetry/proxy-telemetry.ts";
import { WriteTurn } from "./transport/outbox.ts";
import type { PortSharing, TlsIdentity, Transport } from "./transport/transport.ts";

const sweepIntervalMs = 1_000;
/** Between two looks whether the last connection has ended while draining. */
const drainPollMs = 50;

export interface DataPlaneOptions {
  readonly runtime: Runtime;
  readonly transport: Transport;
  /** Reads and checks the files of an identity; throws an `AtollError`. */
  readonly loadIdentity: (files: ProxyConfig["identity"]) => TlsIdentity;
  readonly memoryUsage: () => MemoryUsage;
  /** Where logs and spans go. */
  readonly outputs: TelemetryOutputs;
  /**
   * Who listens on our addresses already. A replacement shares them with its predecessor for the first configuration; a worker joins
   * those of its proxy every time.
   */
  readonly sharing: PortSharing;
  /** Processes that share the listeners, this one included. */
  readonly processes: number;
  /** Gets the text behind a URI; over HTTP when absent. */
  readonly fetchText?: FetchText;
}

/** What one process does with traffic: listeners for what comes in from the mesh and what the local applications call, one identity. */
export class DataPlane {
  readonly context: ProxyContext;
  readonly #options: DataPlaneOptions;
  readonly #listeners: ListenerSet;
  readonly #quiet: QuietTimes;
  #identity: TlsIdentity;
  #limits: ProxyLimits;
  #sharing: PortSharing;
  #chosenPorts: Readonly<Record<string, number>> = {};
  #version = 0;
  #timer: Timer | undefined;
  #onSweep: (nowMs: number) => void = () => undefined;

  /** Throws an `AtollError` when the identity cannot be used. Listens on nothing yet. */
  constructor(options: DataPlaneOptions, config: Pick<ProxyConfig, "identity" | "limits">) {
    this.#options = options;
    this.#sharing = options.sharing;
    this.#identity = options.loadIdentity(config.identity);
    this.#limits = config.limits;
    const buffers = new BufferPool();
    this.context = {
      ...options.runtime,
      transport: options.transport,
      identity: () => this.#identity,
      sharing: () => this.#sharing,
      processes: options.processes,
      chosenPort: (listen) => this.#chosenPorts[listen],
      turn: new WriteTurn(options.transport),
      buffers,
      limits: () => this.#limits,
      memory: new BufferedMemory({
        waiting: options.transport,
        lent: buffers,
        maxBytes: () => this.#limits.memory.maxBufferedBytes,
      }),
      telemetry: new ProxyTelemetry({
        ...options.runtime,
        outputs: options.outputs,
        ownUri: () => this.#identity.spiffeUri,
        processes: options.processes,
        atEndOfTurn: (callback) => options.transport.atEndOfTurn(callback),
      }),
      fetchText: options.fetchText ?? createFetchText(options.runtime.clock),
    };
    this.#listeners = new ListenerSet(this.context);
    this.#quiet = new QuietTimes(() => options.transport.giveBackMemory());
    this.#sweepLater();
  }

  /** Of the configuration in force; 0 before the first. */
  get version(): number {
    return this.#version;
  }

  get isExpired(): boolean {
    return this.#identity.notAfterMs <= this.#options.runtime.clock.nowMs();
  }

  /** Ports in force by listen address, which differ from it where it asks for any. */
  ports(): Record<string, number> {
    return this.#listeners.ports();
  }

  /**
   * Replaces the configuration without touching a connection that it still covers. Throws an `AtollError` and changes nothing when the
   * identity cannot be used or a new address not be bound. `chosenPorts`: what another process has been given for port 0.
   */
  apply(config: ProxyConfig, version: number, chosenPorts: Readonly<Record<string, number>> = {}): void {
    const previous = this.#identity;
    const loaded = this.#options.loadIdentity(config.identity);
    // While it is the same object, TLS sessions that began with it can be taken up again.
    this.#identity = isSameIdentity(loaded, previous) ? previous : loaded;
    this.#chosenPorts = chosenPorts;
    try {
      this.#listeners.apply(config, this.#identity !== previous);
      this.#limits = config.limits;
      this.context.telemetry.apply(config.telemetry);
    } catch (thrown) {
      this.#identity = previous;
      throw thrown;
    }
    this.#version = version;
    if (this.#sharing === "replace") this.#sharing = "claim";
  }

  /** Calls back about once a second. */
  onSweep(callback: (nowMs: number) => void): void {
    this.#onSweep = callback;
  }

  families(): Family[] {
    const told = this.context.telemetry.families();
    const totals = proxyFamilies({
      listeners: this.#listeners.all,
      configVersion: this.#version,
      certificateExpiryMs: this.#identity.notAfterMs,
      memory: this.#options.memoryUsage(),
      bufferedBytes: this.context.memory.totalBytes,
      maxBufferedBytes: this.#limits.memory.maxBufferedBytes,
    });
    // A family with more labels takes the place of the totals of the same name.
    const names = new Set(told.map(({ name }) => name));
    return [...totals.filter(({ name }) => !names.has(name)), ...told];
  }

  /** Stops accepting, lets what is under way finish, and resolves when all is done or the deadline has passed. */
  async drain(deadlineMs: number): Promise<void> {
    const { clock } = this.#options.runtime;
    const endMs = clock.monotonicMs() + deadlineMs;
    this.#listeners.drain(deadlineMs);
    // What was answered in this turn, the request to drain among it, leaves at its end.
    await new Promise<void>((resolve) => this.#options.transport.atEndOfTurn(resolve));
    while (!this.#listeners.isOver && clock.monotonicMs() < endMs) await sleep(clock, drainPollMs);
    await this.context.telemetry.flush();
  }

  /** Closes everything at once. */
  stop(): void {
    this.#timer?.cancel();
    this.#listeners.destroy();
    this.context.telemetry.close();
  }

  #sweepLater(): void {
    this.#timer = this.#options.runtime.clock.after(sweepIntervalMs, () => {
      const nowMs = this.#options.runtime.clock.monotonicMs();
      this.#listeners.sweep(nowMs);
      this.#quiet.sweep(nowMs, this.#listeners.movedBytes);
      this.context.telemetry.sweep(nowMs);
      this.#onSweep(nowMs);
      this.#sweepLater();
    });
  }
}

function isSameIdentity(a: TlsIdentity, b: TlsIdentity): boolean {
  return a.certPem === b.certPem && a.keyPem === b.keyPem && a.caPem === b.caPem;
}
