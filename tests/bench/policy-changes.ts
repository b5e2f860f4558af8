import { runPolicyChanges } from "../mesh/policies/policy-changes.ts";
import { report } from "./process.ts";

const requestsBetween = 40;

/**
 * Random changes of policies under the load of clients of Node.js, over HTTP/1.1 and HTTP/2 from two callers, in real processes: intentions by
 * caller, path and method, routes, splits, subsets, redirects, replies, rewrites, edits, timeouts, retries and endpoints. Exits with 1 when an
 * answer is none that the policies in force say. `--changes N` is 100 by default; `--seed S` repeats a run's changes.
 */
export async function benchPolicyChanges(args: readonly string[]): Promise<void> {
  const seed = optionOf(args, "--seed") ?? Math.floor(Math.random() * 1_000_000);
  const changes = optionOf(args, "--changes") ?? 100;
  report({ bench: "policy-changes", seed, changes });
  const startMs = performance.now();
  const result = await runPolicyChanges({ seed, changes, requestsBetween, loops: 4 });
  const seconds = Number(((performance.now() - startMs) / 1_000).toFixed(1));
  for (const failure of result.failures) console.error(failure);
  report({
    bench: "policy-changes",
    seed,
    seconds,
    changes: result.changes,
    sent: result.sent,
    outcomes: result.outcomes,
    "failed for another reason than the policy says": result.failed,
  });
  if (result.failed > 0) process.exitCode = 1;
}

function optionOf(args: readonly string[], name: string): number | undefined {
  const at = args.indexOf(name);
  if (at < 0) return undefined;
  const value = Number(args[at + 1]);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new Error(`${name} must be a whole number, found "${args[at + 1]}"`);
}
