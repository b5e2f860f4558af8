import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { createBackoff } from "../../lib/base/backoff.ts";
import { sleep } from "../../lib/base/clock.ts";
import { withDeadline } from "../../lib/base/deadline.ts";
import { errorMessage } from "../../lib/base/errors.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import type { ForwardResponse, ServerLink } from "../../lib/client/server-link.ts";
import { type CheckFields, checkStatuses } from "../../lib/contract/catalog.ts";
import { aliasStatus } from "./alias-status.ts";
import type { ProbeResult } from "./probe-result.ts";

/** An alias of a service, or of all of a node, that another agent keeps: it follows the catalog by a blocking query. */
export interface RemoteAliasOptions {
  readonly runtime: Runtime;
  readonly forward: ServerLink["forward"];
  readonly node: string;
  /** Empty: the checks of the node itself alone. */
  readonly serviceId: string;
  readonly report: (result: ProbeResult) => void;
}

/** A service that comes or goes without a check does not end a wait, so waits are short. */
const waitMs = 60_000;
const callTimeoutMs = waitMs * 1.5;
/** Between two queries, however quickly they are answered. */
const pauseMs = 1_000;
const maxRetryMs = 60_000;

export function startRemoteAlias(options: RemoteAliasOptions): { stop(): void } {
  const { clock, random } = options.runtime;
  const stopping = new AbortController();
  const { signal } = stopping;
  const backoff = createBackoff({ minDelayMs: pauseMs, maxDelayMs: maxRetryMs, random });
  const read = (url: string): Promise<ForwardResponse> =>
    withDeadline({ clock, timeoutMs: callTimeoutMs, signal }, (within) =>
      options.forward({ method: "GET", url, headers: {}, body: new Uint8Array() }, within),
    );
  const run = async (): Promise<void> => {
    let index = 0;
    while (!signal.aborted) {
      try {
        index = await follow(options, read, index);
        backoff.reset();
        await sleep(clock, pauseMs, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        options.report({
          status: "critical",
          output: `Node ${options.node} cannot be asked for: ${errorMessage(thrown)}`,
        });
        index = 0;
        await sleep(clock, backoff.nextDelayMs(), signal);
      }
    }
  };
  void run();
  return { stop: () => stopping.abort() };
}

/** Waits for a change behind `index`, reports what is so now, and returns the index of that. */
async function follow(
  { node, serviceId, report }: RemoteAliasOptions,
  read: (url: string) => Promise<ForwardResponse>,
  index: number,
): Promise<number> {
  const name = encodeURIComponent(node);
  const checks = await read(`/v1/health/node/${name}?index=${index}&wait=${waitMs}ms`);
  const found = decode(checks, checksValidator);
  const services =
    serviceId === "" ? undefined : decode(await read(`/v1/catalog/node/${name}`), nodeValidator)?.Services;
  const hasService = services !== undefined && Object.hasOwn(services, serviceId);
  report(aliasStatus({ serviceId, hasService, nodeName: node }, found));
  const next = Number(header(checks, "x-consul-index") ?? "0");
  return Number.isSafeInteger(next) && next >= index ? next : 0;
}

const RemoteCheck = Type.Object({
  Name: Type.String(),
  Status: Type.Enum([...checkStatuses]),
  Output: Type.String(),
  ServiceID: Type.String(),
});
export type RemoteCheck = Pick<CheckFields, "Name" | "Status" | "Output" | "ServiceID">;
const checksValidator = Compile(Type.Array(RemoteCheck));
const nodeValidator = Compile(
  Type.Union([Type.Null(), Type.Object({ Services: Type.Record(Type.String(), Type.Unknown()) })]),
);

function decode<T>(answer: ForwardResponse, validator: { Check(value: unknown): value is T }): T {
  const text = Buffer.from(answer.body).toString("utf8");
  if (answer.status !== 200) throw new Error(`${answer.status} ${text.slice(0, 200)}`);
  const value: unknown = JSON.parse(text);
  if (validator.Check(value)) return value;
  throw new Error("the answer is not one of checks");
}

function header(answer: ForwardResponse, name: string): string | undefined {
  return Object.entries(answer.headers).find(([key]) => key.toLowerCase() === name)?.[1];
}
