import type { FastifyReply } from "fastify";

/**
 * The requests that wait for something. Each gets a signal that is aborted when its client goes away or when the app
 * closes, so that a blocked query never outlives the one who asked, and closing does not wait ten minutes.
 */
export interface OpenRequests {
  /** A signal for one request, aborted at the latest when its answer has been sent. */
  signalFor(reply: FastifyReply): AbortSignal;
  /** Aborts all of them, and every later one at once. */
  endAll(): void;
  /** Whether all have been ended: the app answers nothing any more. */
  isClosing(): boolean;
  count(): number;
}

export function createOpenRequests(): OpenRequests {
  const controllers = new Set<AbortController>();
  /** Several things that one request waits for share its signal. */
  const byReply = new WeakMap<FastifyReply, AbortSignal>();
  let isClosing = false;
  return {
    signalFor(reply) {
      const existing = byReply.get(reply);
      if (existing !== undefined) return existing;
      const controller = new AbortController();
      byReply.set(reply, controller.signal);
      // "close" comes after the last byte was written, and when the connection ends before that.
      if (isClosing || reply.raw.destroyed) controller.abort();
      else {
        controllers.add(controller);
        reply.raw.once("close", () => {
          controllers.delete(controller);
          controller.abort();
        });
      }
      return controller.signal;
    },
    endAll() {
      isClosing = true;
      for (const controller of controllers) controller.abort();
    },
    isClosing: () => isClosing,
    count: () => controllers.size,
  };
}

/** Aborted when the client of `reply` goes away or the app closes: pass it to everything that waits. */
export function requestSignal(reply: FastifyReply): AbortSignal {
  return reply.server.openRequests.signalFor(reply);
}
