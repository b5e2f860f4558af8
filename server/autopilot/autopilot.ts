/** The loop on the leader that looks after the servers: it watches their health and takes one step at a time. */
import type { Timer } from "../../lib/base/clock.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { type AutopilotConfig, defaultAutopilotConfig } from "../../lib/contract/autopilot.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { RaftOperator } from "../raft/operator-api.ts";
import type { StateReader } from "../state/reader.ts";
import { type AutopilotDecision, decide } from "./decide.ts";
import { type ClusterHealth, createHealthTracker } from "./health.ts";

const intervalMs = 1_000;
/** A step that takes longer is given up; the next look decides anew. */
const stepTimeoutMs = 30_000;

export interface Autopilot {
  /** As of now; meaningful on the leader only. */
  health(): ClusterHealth;
  /** The replicated setting, or the default as long as nobody has set one. */
  config(): AutopilotConfig;
  close(): void;
}

export interface AutopilotOptions {
  readonly operator: RaftOperator;
  readonly reader: Pick<StateReader, "autopilot">;
  readonly runtime: Runtime;
}

export function startAutopilot(options: AutopilotOptions): Autopilot {
  const { operator, reader, runtime } = options;
  const { clock, logger } = runtime;
  const tracker = createHealthTracker();
  const stopping = new AbortController();
  let watchingSinceMs: number | undefined;
  let timer: Timer;

  const config = (): AutopilotConfig => reader.autopilot().value ?? defaultAutopilotConfig;
  const health = (): ClusterHealth =>
    tracker.observe({ status: operator.status(), members: operator.members(), config: config(), nowMs: clock.nowMs() });

  const look = async (): Promise<void> => {
    const status = operator.status();
    if (status.role !== "leader") {
      watchingSinceMs = undefined;
      tracker.forget();
      return;
    }
    const nowMs = clock.nowMs();
    watchingSinceMs ??= nowMs;
    const decision = decide({
      config: config(),
      servers: health().servers,
      isChanging: status.membership.outgoing.length > 0,
      watchedForMs: nowMs - watchingSinceMs,
      nowMs,
    });
    if (decision.type !== "nothing") await take(decision);
  };

  const take = async (decision: Exclude<AutopilotDecision, { readonly type: "nothing" }>): Promise<void> => {
    const limit = new AbortController();
    const end = (): void => limit.abort();
    const deadline = clock.after(stepTimeoutMs, end);
    stopping.signal.addEventListener("abort", end, { once: true });
    const { node } = decision;
    try {
      if (decision.type === "promote") {
        await operator.promote(node, limit.signal);
        logger.info("a server became a voter", { node });
      } else {
        logger.warn("a dead server is taken out; it can only come back under a new id", { node, why: decision.reason });
        await operator.remove(node, limit.signal);
      }
    } catch (thrown) {
      const why = { step: decision.type, node, error: errorMessage(thrown) };
      // Nothing went wrong: the learner fell behind, or somebody else changes the membership. The next look decides anew.
      if (thrown instanceof AtollError && thrown.code === "CONFLICT") logger.info("autopilot waits with a step", why);
      else logger.warn("autopilot could not do what it should", why);
    } finally {
      deadline.cancel();
      stopping.signal.removeEventListener("abort", end);
    }
  };

  const arm = (): void => {
    timer = clock.after(intervalMs, () => {
      void look()
        .catch((thrown: unknown) => logger.error("autopilot failed", { error: errorMessage(thrown) }))
        .then(() => {
          if (!stopping.signal.aborted) arm();
        });
    });
  };
  arm();
  return {
    health,
    config,
    close() {
      stopping.abort();
      timer.cancel();
    },
  };
}
