import { parseDurationMs } from "../../../lib/base/duration.ts";
import { AtollError } from "../../../lib/contract/error-codes.ts";
import { refuseCleaned } from "../../kv-client.ts";
import { type ChildRun, runChild } from "../child-program.ts";
import { argument, clientCommand } from "../client-command.ts";
import { type Holding, watchHolding } from "./holding.ts";
import { createLock } from "./lock.ts";
import { createSemaphore } from "./semaphore.ts";
import { openSession } from "./session.ts";

const defaultMonitorRetries = 3;
const failedChildCode = 2;

/** `atoll lock`: runs a program while it holds a lock in the key-value store, or one of several slots. */
export const lockCommand = clientCommand({
  synopsis: "lock [options] <prefix> <program> [<argument>...]",
  summary: "Run a program while holding a lock, or with -n one of several slots, in the key-value store.",
  description:
    "Waits until nobody else holds <prefix>/.lock; all who share a prefix give the same -n. When the lock is lost, the program is ended and the exit code is 1.",
  maxPositionals: Number.POSITIVE_INFINITY,
  endsAtPositional: true,
  examples: ["lock service/web/leader ./web", "lock -n 3 -timeout 1m backups ./backup"],
  flags: {
    n: { type: "integer", placeholder: "count", summary: "How many may hold it at a time, 1 by default." },
    name: { type: "string", placeholder: "name", summary: "Name of the session." },
    "child-exit-code": {
      type: "boolean",
      summary: "Exit with 2 when the program failed; otherwise that is only told.",
    },
    "monitor-retry": {
      type: "integer",
      placeholder: "count",
      summary: "How often to ask again, a second later, when the servers cannot say who holds it; 3 by default.",
    },
    "pass-stdin": { type: "boolean", summary: "Give the program the standard input." },
    shell: { type: "boolean", summary: "Run a program that is one argument by a shell; on unless =false." },
    timeout: { type: "string", placeholder: "duration", summary: "Give up with 1 when it is not had by then." },
    try: { type: "string", placeholder: "duration", sameAs: "timeout", summary: "The same, by its old name." },
    verbose: { type: "boolean", summary: "Tell what happens." },
  },
  async run({ api, flags, positionals, io }) {
    const limit = flags.n ?? 1;
    if (limit <= 0) throw new AtollError("INVALID_ARGUMENT", "Lock holder limit must be positive");
    const retries = flags["monitor-retry"] ?? defaultMonitorRetries;
    if (retries < 0) throw new AtollError("INVALID_ARGUMENT", "Number for 'monitor-retry' must be >= 0");
    const prefix = refuseCleaned(argument(positionals, 0, "the key's prefix").replace(/^\/+|\/+$/g, ""));
    const args = positionals.slice(1);
    argument(args, 0, "the program to run");
    const timeoutMs = readTimeoutMs(flags.timeout);
    const say = (text: string): void => (flags.verbose === true ? io.stderr(`${text}\n`) : undefined);
    const stop = io.shutdownSignal();
    const over = new AbortController();
    stop.addEventListener("abort", () => over.abort(stop.reason), { once: true });
    const session = await openSession(api, {
      name: flags.name ?? `Consul lock for '${args.join(" ")}' at '${prefix}'`,
      // A lock's key outlives its holder; what a contender for a slot leaves would be taken for one that is alive.
      behavior: limit === 1 ? "release" : "delete",
      onGone: () => over.abort(new Error("the session is gone")),
    });
    const options = { api, prefix, session: session.id };
    const holding = limit === 1 ? createLock(options) : createSemaphore({ ...options, limit });
    try {
      say(`${holding.description}\nAttempting lock acquisition`);
      if (!(await acquire(holding, over.signal, performance.now() + timeoutMs))) {
        throw new AtollError("CONFLICT", "Shutdown triggered or timeout during lock acquisition");
      }
      say("Starting handler");
      const child: Omit<ChildRun, "signal"> = {
        args,
        isShell: flags.shell !== false,
        env: { ...io.env, CONSUL_LOCK_HELD: "true" },
        ...(flags["pass-stdin"] === true && { isStdinPassed: true }),
      };
      const code = await runHeld({ holding, child, over, retries }).finally(() => holding.release());
      say("Child terminated, released the lock");
      say((await holding.cleanUp()) ? "Cleanup succeeded" : "Cleanup aborted, lock in use");
      if (over.signal.aborted && !stop.aborted) {
        io.stderr("Lock lost, the program was ended\n");
        return 1;
      }
      if (code === 0) return 0;
      io.stderr(`Error running handler: exit status ${code}\n`);
      return flags["child-exit-code"] === true ? failedChildCode : 0;
    } finally {
      await session.close();
    }
  },
});

/** What is aborted meanwhile was not acquired. */
async function acquire(holding: Holding, signal: AbortSignal, deadlineMs: number): Promise<boolean> {
  const isHeld = await holding.acquire(signal, deadlineMs).catch((thrown: unknown) => {
    if (signal.aborted) return false;
    throw thrown;
  });
  if (!isHeld || !signal.aborted) return isHeld;
  await holding.release();
  return false;
}

/** Runs the program, and ends it when what it runs under is lost: then `over` is aborted. */
async function runHeld(run: {
  readonly holding: Holding;
  readonly child: Omit<ChildRun, "signal">;
  readonly over: AbortController;
  readonly retries: number;
}): Promise<number> {
  const { holding, child, over, retries } = run;
  const watch = new AbortController();
  const watched = watchHolding(holding, { signal: watch.signal, maxRetries: retries }).then(() => {
    if (!watch.signal.aborted) over.abort(new Error("lock lost"));
  });
  try {
    return await runChild({ ...child, signal: over.signal });
  } finally {
    watch.abort();
    await watched;
  }
}

/** Without end for none and for 0. */
function readTimeoutMs(text: string | undefined): number {
  const durationMs = text === undefined ? 0 : parseDurationMs(text);
  if (durationMs === undefined) {
    throw new AtollError("INVALID_ARGUMENT", `-timeout must be a duration such as "15s", found "${text}"`);
  }
  if (durationMs < 0) throw new AtollError("INVALID_ARGUMENT", "Timeout must be positive");
  return durationMs === 0 ? Number.POSITIVE_INFINITY : durationMs;
}
