import { isDeepStrictEqual } from "node:util";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { CheckStatus } from "../../lib/contract/catalog.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { LocalChange, LocalState } from "../local-state.ts";
import type { RegistrationStore, SavedCheckState } from "../persistence.ts";
import { type CheckDefinition, isPeriodic, type PeriodicProbe } from "../service-definition.ts";
import { type AliasChecks, createAliasChecks } from "./alias-checks.ts";
import { attemptProbe } from "./attempt.ts";
import { type CheckHost, scriptProblem } from "./check-host.ts";
import { type Periodic, startPeriodic } from "./periodic.ts";
import { type ProbeResult, capOutput } from "./probe-result.ts";
import { startReaper } from "./reaper.ts";
import { startRemoteAlias } from "./remote-alias.ts";
import { createThresholds } from "./thresholds.ts";
import { type TtlCheck, type TtlLife, startTtlCheck } from "./ttl-check.ts";

/**
 * Runs every check of the local state: follows it for checks that come and go, and reports back what they find. It owns
 * all timers and connections of checks.
 */
export interface CheckRunners {
  /** Throws `NOT_FOUND` for an unknown check and `INVALID_ARGUMENT` for one that makes its own attempts. */
  heartbeat(checkId: string, status: CheckStatus, output: string): void;
  /** Makes the probes of a service run now: something has just happened that they will see. */
  probeService(serviceId: string): void;
  stop(): void;
}

export interface CheckRunnersOptions {
  readonly runtime: Runtime;
  readonly state: LocalState;
  readonly store: Pick<RegistrationStore, "saveCheckState">;
  /** What the checks of an earlier run of the agent were, by check id. */
  readonly savedStates: ReadonlyMap<string, SavedCheckState>;
  readonly deregisterService: (serviceId: string) => Promise<void>;
  readonly host: CheckHost;
}

export function startCheckRunners(options: CheckRunnersOptions): CheckRunners {
  const runners = new Runners(options);
  runners.start();
  return runners;
}

interface Runner {
  readonly definition: CheckDefinition;
  readonly ttl?: TtlCheck;
  readonly probe?: Periodic;
  stop(): void;
}

class Runners implements CheckRunners {
  readonly #options: CheckRunnersOptions;
  readonly #runners = new Map<string, Runner>();
  readonly #aliases: AliasChecks;
  /** When each TTL check that is alive expires, by the wall clock. */
  readonly #expiresAtMs = new Map<string, number>();
  readonly #owned: { close(): void }[] = [];

  constructor(options: CheckRunnersOptions) {
    this.#options = options;
    this.#aliases = createAliasChecks(options.state);
  }

  start(): void {
    const { runtime, state, savedStates, deregisterService } = this.#options;
    for (const checkId of state.checks().keys()) this.#follow(checkId, savedStates.get(checkId));
    this.#owned.push(state.observe((changes) => this.#onChanges(changes)));
    const reaper = startReaper({ runtime, state, deregisterService });
    this.#owned.push({ close: reaper.stop });
  }

  heartbeat(checkId: string, status: CheckStatus, output: string): void {
    const runner = this.#runners.get(checkId);
    if (runner === undefined) {
      const hint = "Ensure that the check ID is passed, not the check name.";
      throw new AtollError("NOT_FOUND", `Unknown check ID "${checkId}". ${hint}`);
    }
    if (runner.ttl === undefined) {
      throw new AtollError("INVALID_ARGUMENT", `CheckID "${checkId}" does not have associated TTL`);
    }
    runner.ttl.heartbeat({ status, output });
  }

  probeService(serviceId: string): void {
    for (const runner of this.#runners.values()) {
      if (runner.definition.serviceId === serviceId) runner.probe?.runSoon();
    }
  }

  stop(): void {
    for (const owned of this.#owned) owned.close();
    for (const runner of this.#runners.values()) runner.stop();
    this.#runners.clear();
  }

  #onChanges(changes: readonly LocalChange[]): void {
    for (const change of changes) {
      if (change.kind === "check") this.#follow(change.id, undefined);
      if (change.kind === "check-status" && !change.isOutputOnly) this.#save(change.id);
    }
    this.#aliases.onChanges(changes);
  }

  /** Brings the runner of one check in line with the state. */
  #follow(checkId: string, saved: SavedCheckState | undefined): void {
    const definition = this.#options.state.checks().get(checkId)?.definition;
    const runner = this.#runners.get(checkId);
    if (runner !== undefined && definition !== undefined && isSameRun(runner.definition, definition)) return;
    runner?.stop();
    this.#runners.delete(checkId);
    this.#expiresAtMs.delete(checkId);
    if (definition !== undefined) this.#runners.set(checkId, this.#startRunner(definition, saved));
  }

  #startRunner(definition: CheckDefinition, saved: SavedCheckState | undefined): Runner {
    const { probe, checkId } = definition;
    if (isPeriodic(probe)) return this.#startProbe(definition, probe);
    if (probe.type === "ttl") return this.#startTtl(definition, probe.ttlMs, saved);
    if (probe.type === "maintenance") return { definition, stop: () => undefined };
    const { runtime, state, host } = this.#options;
    if (probe.node !== "" && probe.node !== state.nodeName) {
      const report = (result: ProbeResult): void => this.#report(definition, result);
      const { node, service: serviceId } = probe;
      const alias = startRemoteAlias({ runtime, forward: host.forward, node, serviceId, report });
      return { definition, stop: alias.stop };
    }
    this.#aliases.add(checkId, probe.service);
    return { definition, stop: () => this.#aliases.remove(checkId) };
  }

  #startProbe(definition: CheckDefinition, probe: PeriodicProbe): Runner {
    const { host, state } = this.#options;
    const { checkId, outputMaxBytes } = definition;
    const isFromApi = state.checks().get(checkId)?.isPersisted ?? true;
    const problem = scriptProblem(definition, { isFromApi, rights: host.scripts });
    if (problem !== undefined) {
      // Saved when programs were allowed: it is kept, since they may be again.
      this.#report(definition, { status: "critical", output: problem });
      return { definition, stop: () => undefined };
    }
    const thresholds = createThresholds(definition);
    const periodic = startPeriodic({
      runtime: this.#options.runtime,
      intervalMs: probe.intervalMs,
      timeoutMs: probe.timeoutMs,
      run: async (signal) => {
        const result = await attemptProbe(probe, { signal, outputMaxBytes }, host);
        // A check that was replaced meanwhile may have the same id and another meaning.
        if (this.#runners.get(definition.checkId) !== runner) return;
        const status = thresholds.judge(result.status);
        if (status !== undefined) this.#report(definition, { ...result, status });
      },
    });
    const runner: Runner = { definition, probe: periodic, stop: periodic.stop };
    return runner;
  }

  #startTtl(definition: CheckDefinition, ttlMs: number, saved: SavedCheckState | undefined): Runner {
    const { checkId } = definition;
    const { clock } = this.#options.runtime;
    const ttl = startTtlCheck({
      clock,
      ttlMs,
      life: ttlLife(ttlMs, saved, clock.nowMs()),
      lastOutput: () => this.#options.state.checks().get(checkId)?.fields.Output ?? "",
      report: (result) => {
        this.#expiresAtMs.delete(checkId);
        this.#report(definition, result);
      },
      onExpiryMoved: (atMs) => {
        this.#expiresAtMs.set(checkId, atMs);
        this.#save(checkId);
      },
    });
    return { definition, ttl, stop: ttl.stop };
  }

  #report(definition: CheckDefinition, result: ProbeResult): void {
    const output = capOutput(result.output, definition.outputMaxBytes);
    this.#options.state.setCheckStatus(definition.checkId, result.status, output);
  }

  #save(checkId: string): void {
    const check = this.#options.state.checks().get(checkId);
    if (check === undefined) return;
    const { Status: status, Output: output } = check.fields;
    this.#options.store.saveCheckState({ checkId, status, output, expiresAtMs: this.#expiresAtMs.get(checkId) ?? 0 });
  }
}

/** The same definition again leaves a probe's schedule alone; a heartbeat check begins a new life. */
function isSameRun(running: CheckDefinition, wanted: CheckDefinition): boolean {
  if (running === wanted) return true;
  return wanted.probe.type !== "ttl" && isDeepStrictEqual(running, wanted);
}

function ttlLife(ttlMs: number, saved: SavedCheckState | undefined, nowMs: number): TtlLife {
  if (saved === undefined) return { kind: "running", remainingMs: ttlMs };
  return saved.expiresAtMs === 0 ? { kind: "expired" } : { kind: "running", remainingMs: saved.expiresAtMs - nowMs };
}
