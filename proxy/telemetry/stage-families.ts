import type { FaultGate } from "../resilience/fault/fault-gate.ts";
import type { ListenerStages } from "../resilience/listener-stages.ts";
import type { Family, Sample } from "./exposition.ts";

/** A listener, as far as this is about. */
interface StagedListener {
  readonly labels: Readonly<Record<string, string>>;
  readonly stages: ListenerStages;
}

/** What listeners do to requests beside sending them on. Only those say something that have done it, or have a fault. */
export function stageFamilies(listeners: readonly StagedListener[]): Family[] {
  const reasons = (name: string, counts: (stages: ListenerStages) => Readonly<Record<string, number>>): Sample[] =>
    listeners.flatMap(({ labels, stages }) =>
      Object.entries(counts(stages)).flatMap(([reason, value]) =>
        value === 0 ? [] : [{ labels: { ...labels, [name]: reason }, value }],
      ),
    );
  const totals = (count: (stages: ListenerStages) => number): Sample[] =>
    listeners.flatMap(({ labels, stages }) => {
      const value = count(stages);
      return value === 0 ? [] : [{ labels, value }];
    });
  // Names of routes may repeat, series may not.
  const ofFaults = (read: (gate: FaultGate) => number, merge: (a: number, b: number) => number): Sample[] =>
    listeners.flatMap(({ labels, stages }) => {
      const values = new Map<string, number>();
      for (const { owner, gate } of stages.faults) {
        const [value, before] = [read(gate), values.get(owner)];
        values.set(owner, before === undefined ? value : merge(before, value));
      }
      return Array.from(values, ([route, value]) => ({ labels: { ...labels, route }, value }));
    });
  return [
    {
      name: "atoll_proxy_faults_injected_total",
      help: "Requests that were delayed or answered, and responses that were slowed down, on purpose.",
      type: "counter",
      samples: reasons("kind", ({ context }) => context.counters.faults),
    },
    {
      name: "atoll_proxy_faults_overflow_total",
      help: "Requests without a fault because there were as many as there may be.",
      type: "counter",
      samples: totals(({ context }) => context.counters.faultsOverflow),
    },
    {
      name: "atoll_proxy_fault_active",
      help: "Requests and responses that a fault holds up now, by its route.",
      type: "gauge",
      samples: ofFaults(
        ({ active }) => active,
        (a, b) => a + b,
      ),
    },
    {
      name: "atoll_proxy_fault_in_force",
      help: "1 while a configured fault is injected, 0 once its time is over.",
      type: "gauge",
      merge: "max",
      samples: ofFaults(({ term }) => (term.isOver ? 0 : 1), Math.max),
    },
    {
      name: "atoll_proxy_mirrored_total",
      help: "Copies of requests, by what became of them.",
      type: "counter",
      samples: reasons("outcome", ({ context }) => context.counters.mirrors),
    },
    {
      name: "atoll_proxy_hedges_total",
      help: "Requests sent to another endpoint as well.",
      type: "counter",
      samples: totals(({ context }) => context.counters.hedges),
    },
    {
      name: "atoll_proxy_hedges_won_total",
      help: "Of those, whose response came first.",
      type: "counter",
      samples: totals(({ context }) => context.counters.hedgesWon),
    },
  ];
}
