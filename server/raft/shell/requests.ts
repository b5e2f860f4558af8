import type { Outcome, ReplicaInput } from "../replica/replica-api.ts";

/** What may be asked of a replica and is answered once. */
export type Request = WithoutId<
  Extract<ReplicaInput, { readonly type: "propose" | "propose-change" | "read" | "transfer" }>
>;

type WithoutId<Input> = Input extends unknown ? Omit<Input, "id"> : never;

/** Those who wait for an answer of the replica, by the number that it answers with. */
export interface Requests {
  /** The outcome never rejects; when the signal is aborted first, `onCancel` runs and the outcome is `unknown`. */
  open(
    signal: AbortSignal | undefined,
    onCancel: () => void,
  ): { readonly id: number; readonly outcome: Promise<Outcome> };
  settle(id: number, outcome: Outcome): void;
  /** Nobody will answer any more: what was asked may or may not take effect. */
  endAll(message: string): void;
  /** The answer to one that was never handed on. */
  stopped(): Outcome;
}

export function createRequests(): Requests {
  const waiting = new Map<number, (outcome: Outcome) => void>();
  let lastId = 0;
  const unknown = (message: string): Outcome => ({ ok: false, reason: "unknown", message, leader: "" });
  return {
    open(signal, onCancel) {
      const id = ++lastId;
      const outcome = new Promise<Outcome>((resolve) => {
        const onAbort = (): void => {
          if (!waiting.delete(id)) return;
          onCancel();
          resolve(unknown("the caller stopped waiting"));
        };
        waiting.set(id, (settled) => {
          signal?.removeEventListener("abort", onAbort);
          resolve(settled);
        });
        signal?.addEventListener("abort", onAbort, { once: true });
      });
      return { id, outcome };
    },
    settle(id, outcome) {
      const resolve = waiting.get(id);
      waiting.delete(id);
      resolve?.(outcome);
    },
    endAll(message) {
      const resolvers = [...waiting.values()];
      waiting.clear();
      for (const resolve of resolvers) resolve(unknown(message));
    },
    stopped: () => ({
      ok: false,
      reason: "refused",
      message: "this server is stopping and takes no more requests; nothing was changed",
      leader: "",
    }),
  };
}
