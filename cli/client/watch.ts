import { AtollError } from "../../lib/contract/error-codes.ts";
import type { HttpApi } from "../http-api.ts";
import { runChild } from "./child-program.ts";
import { clientCommand } from "./client-command.ts";

const flags = {
  type: {
    type: "string",
    placeholder: "type",
    summary: "What to watch: key, keyprefix, services, nodes, service, checks, event or connect_roots.",
  },
  key: { type: "string", placeholder: "key", summary: "For type key." },
  prefix: { type: "string", placeholder: "prefix", summary: "For type keyprefix." },
  service: { type: "string", placeholder: "name", summary: "For type service, and optionally checks." },
  tag: { type: "string", placeholder: "tag", multiple: true, summary: "For type service: only instances with it." },
  passingonly: { type: "boolean", summary: "For type service: only instances whose checks pass." },
  state: { type: "string", placeholder: "state", summary: "For type checks: only those in this state." },
  name: { type: "string", placeholder: "name", summary: "For type event: only events of this name." },
  shell: { type: "boolean", summary: "Run a handler that is one argument by a shell; on unless =false." },
} as const;

interface Watched {
  readonly path: string;
  readonly query: readonly (readonly string[])[];
  /** Only the first of the list that the API answers. */
  readonly isFirstOnly?: true;
}

/** Longer than a server makes a request wait that names no time of its own. */
const waitTimeoutMs = 11 * 60_000;
const firstRetryMs = 5_000;
const maxRetryMs = 180_000;

/** `atoll watch`: prints what is there, or runs a program with it as input now and after every change. */
export const watchCommand = clientCommand({
  synopsis: "watch -type=<type> [options] [<handler> [<argument>...]]",
  summary: "Watch for changes, and run a handler with what is there on its standard input.",
  description:
    "Without a handler what is there is printed once. A handler is run at once and after every change, with the index in CONSUL_INDEX.",
  maxPositionals: Number.POSITIVE_INFINITY,
  endsAtPositional: true,
  examples: ["watch -type=service -service=web", "watch -type=key -key=app/config ./reload.sh"],
  flags,
  async run({ api, flags: given, positionals, io }) {
    const watched = whatToWatch(given);
    if (positionals.length === 0) {
      const { value } = await ask(api, watched, { index: 0 });
      io.stdout(`${JSON.stringify(value, null, 4)}\n`);
      return 0;
    }
    const stop = io.shutdownSignal();
    let last: string | undefined;
    let index = 0;
    let failures = 0;
    while (!stop.aborted) {
      let seen: { readonly index: number; readonly value: unknown };
      try {
        seen = await ask(api, watched, { index, signal: stop });
        failures = 0;
      } catch (thrown) {
        if (stop.aborted) break;
        failures++;
        const pauseMs = Math.min(maxRetryMs, firstRetryMs * failures ** 2);
        io.stderr(
          `watch: ${thrown instanceof Error ? thrown.message : String(thrown)}; again in ${pauseMs / 1000} s\n`,
        );
        await pause(pauseMs, stop);
        continue;
      }
      // An index that falls, after a restore, counts as none.
      index = seen.index < index ? 0 : seen.index;
      const input = JSON.stringify(seen.value);
      if (input === last) continue;
      last = input;
      const env = { ...io.env, CONSUL_INDEX: String(seen.index) };
      await runChild({ args: positionals, isShell: given.shell !== false, env, input: `${input}\n`, signal: stop });
    }
    return 0;
  },
});

interface Given {
  readonly type: string | undefined;
  readonly key: string | undefined;
  readonly prefix: string | undefined;
  readonly service: string | undefined;
  readonly tag: readonly string[];
  readonly passingonly: boolean | undefined;
  readonly state: string | undefined;
  readonly name: string | undefined;
}

function whatToWatch(given: Given): Watched {
  const need = (name: "key" | "prefix" | "service"): string => {
    const value = given[name];
    if (value !== undefined && value !== "") return encodeURIComponent(value).replaceAll("%2F", "/");
    throw new AtollError("INVALID_ARGUMENT", `-type=${given.type ?? ""} needs -${name}`);
  };
  switch (given.type) {
    case "key":
      return { path: `/v1/kv/${need("key")}`, query: [], isFirstOnly: true };
    case "keyprefix":
      return { path: `/v1/kv/${need("prefix")}`, query: [["recurse", ""]] };
    case "services":
      return { path: "/v1/catalog/services", query: [] };
    case "nodes":
      return { path: "/v1/catalog/nodes", query: [] };
    case "service":
      return {
        path: `/v1/health/service/${need("service")}`,
        query: [...given.tag.map((tag) => ["tag", tag]), ...(given.passingonly === true ? [["passing", "1"]] : [])],
      };
    case "checks":
      if (given.service !== undefined && given.state !== undefined) {
        throw new AtollError("INVALID_ARGUMENT", "-type=checks takes -service or -state, not both");
      }
      return given.service === undefined
        ? { path: `/v1/health/state/${encodeURIComponent(given.state ?? "any")}`, query: [] }
        : { path: `/v1/health/checks/${need("service")}`, query: [] };
    case "event":
      return { path: "/v1/event/list", query: given.name === undefined ? [] : [["name", given.name]] };
    case "connect_roots":
      return { path: "/v1/agent/connect/ca/roots", query: [] };
    default:
      throw new AtollError(
        "INVALID_ARGUMENT",
        `-type must be key, keyprefix, services, nodes, service, checks, event or connect_roots, found "${given.type ?? ""}"`,
      );
  }
}

/** What is there once it is newer than `index`; `null` for what is not there at all. */
async function ask(api: HttpApi, watched: Watched, when: { readonly index: number; readonly signal?: AbortSignal }) {
  const query = [...watched.query, ...(when.index > 0 ? [["index", String(when.index)]] : [])];
  const answer = await api.ask({
    method: "GET",
    path: watched.path,
    query,
    timeoutMs: waitTimeoutMs,
    ...(when.signal !== undefined && { signal: when.signal }),
  });
  const text = answer.body.toString("utf8");
  // What is not there has an empty answer; a path that is none has a sentence.
  if (answer.status !== 200 && !(answer.status === 404 && text === "")) {
    throw new AtollError("INTERNAL", `Unexpected response code: ${answer.status} (${text.trim()})`);
  }
  const value: unknown = answer.status === 404 ? null : JSON.parse(text);
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return { index: Number(answer.headers["x-consul-index"] ?? 0), value: watched.isFirstOnly === true ? first : value };
}

function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, durationMs);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
