import { hostname } from "node:os";
import { Type } from "typebox";
import { parseDurationMs } from "../../lib/base/duration.ts";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { HttpApi } from "../http-api.ts";
import { runChild } from "./child-program.ts";
import { argument, clientCommand, mustBe } from "./client-command.ts";

const sessionTtl = "15s";
const renewMs = 7_500;
const waitMs = 15_000;
/** What the Go client puts into Flags, so that a lock of one is a lock for the other. */
const lockFlags = "3304740253564472344";

/** `atoll lock`: runs a program while it holds a lock in the key-value store. */
export const lockCommand = clientCommand({
  synopsis: "lock [options] <prefix> <program> [<argument>...]",
  summary: "Run a program while holding a lock in the key-value store.",
  description:
    "Waits until nobody else holds <prefix>/.lock. When the lock is lost, the program is ended and the exit code is 1.",
  maxPositionals: Number.POSITIVE_INFINITY,
  endsAtPositional: true,
  examples: ["lock service/web/leader ./web"],
  flags: {
    n: { type: "integer", placeholder: "count", summary: "How many may hold it; this version knows 1 only." },
    name: { type: "string", placeholder: "name", summary: "Name of the session." },
    "child-exit-code": { type: "boolean", summary: "Exit with 2 when the program failed." },
    shell: { type: "boolean", summary: "Run a program that is one argument by a shell; on unless =false." },
    try: { type: "string", placeholder: "duration", summary: "Give up with 1 when the lock is not had by then." },
    verbose: { type: "boolean", summary: "Tell what happens." },
  },
  async run({ api, flags, positionals, io }) {
    if ((flags.n ?? 1) !== 1) throw new AtollError("INVALID_ARGUMENT", "-n must be 1: this version has no semaphore");
    const prefix = argument(positionals, 0, "the key's prefix").replace(/^\/+|\/+$/g, "");
    const program = positionals.slice(1);
    argument(program, 0, "the program to run");
    const tryMs = flags.try === undefined ? undefined : mustBeDuration(flags.try);
    const say = (text: string): void => (flags.verbose === true ? io.stderr(`${text}\n`) : undefined);
    const stop = io.shutdownSignal();
    const over = new AbortController();
    stop.addEventListener("abort", () => over.abort(stop.reason), { once: true });
    const id = await openSession(api, flags.name ?? `Consul lock for '${program.join(" ")}' at '${prefix}'`);
    const renewal = keepRenewed(api, id, () => over.abort(new Error("the session is gone")));
    const key = `/v1/kv/${prefix.split("/").map(encodeURIComponent).join("/")}/.lock`;
    try {
      say(`Setting up lock at path: ${prefix}/.lock`);
      const deadlineMs = tryMs === undefined ? undefined : performance.now() + tryMs;
      if (!(await acquire({ api, key, id, signal: over.signal, deadlineMs }))) {
        if (stop.aborted) return 1;
        throw new AtollError("CONFLICT", "Shutdown triggered or timeout during lock acquisition");
      }
      say("Lock held, starting the program");
      const watch = new AbortController();
      const lost = watchHolder({ api, key, id, signal: watch.signal }).then(() => over.abort(new Error("lock lost")));
      const code = await runChild({ args: program, isShell: flags.shell !== false, env: io.env, signal: over.signal });
      const isLost = over.signal.aborted && !stop.aborted;
      watch.abort();
      await lost;
      if (isLost) {
        io.stderr("Lock lost, the program was ended\n");
        return 1;
      }
      await api.ask({ method: "PUT", path: key, query: { release: id, flags: lockFlags } });
      if (code === 0) return 0;
      return flags["child-exit-code"] === true ? 2 : 1;
    } finally {
      renewal.close();
      await api.ask({ method: "PUT", path: `/v1/session/destroy/${id}` }).catch(() => undefined);
    }
  },
});

async function openSession(api: HttpApi, name: string): Promise<string> {
  const body = JSON.stringify({ Name: name, TTL: sessionTtl, Behavior: "release" });
  const answer = await api.json({ method: "PUT", path: "/v1/session/create", body });
  return mustBe(Type.Object({ ID: Type.String() }), answer, "a session").ID;
}

function keepRenewed(api: HttpApi, id: string, onGone: () => void): { close(): void } {
  const timer = setInterval(() => {
    api
      .ask({ method: "PUT", path: `/v1/session/renew/${id}`, timeoutMs: renewMs })
      .then(({ status }) => (status === 404 ? onGone() : undefined))
      // The next one may get through; when none does in time, the servers end the session and the watch sees it.
      .catch(() => undefined);
  }, renewMs);
  return { close: () => clearInterval(timer) };
}

interface Held {
  readonly api: HttpApi;
  readonly key: string;
  readonly id: string;
  readonly signal: AbortSignal;
}

/** False when told to stop or when it took too long. */
async function acquire(wanted: Held & { readonly deadlineMs: number | undefined }): Promise<boolean> {
  const { api, key, id, signal, deadlineMs } = wanted;
  const left = (): number => Math.max(0, (deadlineMs ?? Number.POSITIVE_INFINITY) - performance.now());
  for (;;) {
    const { holder, index } = await readHolder(wanted, {});
    if (signal.aborted) return false;
    if (holder === "") {
      const body = hostname();
      const answer = await api.json({ method: "PUT", path: key, query: { acquire: id, flags: lockFlags }, body });
      if (answer === true) return true;
      // The lock-delay of whoever lost it runs.
      await new Promise((resolve) => setTimeout(resolve, Math.min(1_000, left())));
    } else {
      await readHolder(wanted, { index, waitMs: Math.min(waitMs, left()) });
    }
    if (signal.aborted || left() === 0) return false;
  }
}

/** Resolves when somebody else or nobody holds the lock, or the signal is aborted. */
async function watchHolder(held: Held): Promise<void> {
  let index = 0;
  let failures = 0;
  while (!held.signal.aborted) {
    try {
      const seen = await readHolder(held, index === 0 ? {} : { index, waitMs });
      if (seen.holder !== held.id) return;
      index = seen.index;
      failures = 0;
    } catch {
      if (++failures > 3) return;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}

async function readHolder(
  { api, key, signal }: Held,
  wait: { readonly index?: number; readonly waitMs?: number },
): Promise<{ readonly holder: string; readonly index: number }> {
  const query = {
    consistent: "",
    ...(wait.index !== undefined && { index: String(wait.index), wait: `${Math.ceil(wait.waitMs ?? 0)}ms` }),
  };
  const answer = await api.ask({ method: "GET", path: key, query, signal }).catch((thrown: unknown) => {
    if (signal.aborted) return undefined;
    throw thrown;
  });
  if (answer === undefined) return { holder: "", index: 0 };
  const index = Number(answer.headers["x-consul-index"] ?? 0);
  if (answer.status === 404) return { holder: "", index };
  const text = answer.body.toString("utf8");
  if (answer.status !== 200) throw new AtollError("INTERNAL", `the agent answered ${answer.status}: ${text.trim()}`);
  const Entries = Type.Array(Type.Object({ Session: Type.Optional(Type.String()) }));
  return { holder: mustBe(Entries, JSON.parse(text), "an entry of the key-value store")[0]?.Session ?? "", index };
}

function mustBeDuration(text: string): number {
  const durationMs = parseDurationMs(text);
  if (durationMs !== undefined && durationMs > 0) return durationMs;
  throw new AtollError("INVALID_ARGUMENT", `-try must be a duration such as "15s", found "${text}"`);
}
