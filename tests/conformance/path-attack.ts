import { createSeededRandom } from "../../lib/base/random.ts";
import { appModels } from "./app-models.ts";
import type { EchoApp, SeenRequest } from "./echo-app.ts";
import type { MeshCaller } from "./mesh-callers.ts";
import { mixedSpelling, spellings } from "./path-spellings.ts";
import type { RuleKind } from "./rule-kinds.ts";

const mixedPerPath = 60;

/** Spellings of a forbidden path, the same for the same seed. */
export function corpus(seed: string): string[] {
  const random = createSeededRandom(Number(seed));
  const mixed = (path: string) => Array.from({ length: mixedPerPath }, () => mixedSpelling(path, random));
  return [...new Set(["/admin", "/admin/x"].flatMap((path) => [...spellings(path), ...mixed(path)]))];
}

/** What an application may make of a request: the names of the readings that are forbidden. */
export function forbiddenReadings(
  kind: RuleKind,
  { method, target, fields }: SeenRequest,
  names = ["x-role"],
): string[] {
  const values = fields.filter(([name]) => names.includes(name)).map(([, value]) => value);
  const roles = [...values, values.join(","), values.join(", ")];
  return appModels
    .filter(({ read }) => kind.isForbidden({ method, path: read(target), roles }))
    .map(({ name }) => `${name}: ${method} ${target} ${JSON.stringify(values)}`);
}

export interface Outcome {
  readonly sent: number;
  readonly reached: number;
  readonly bypasses: readonly string[];
}

export interface Attack {
  readonly app: EchoApp;
  readonly seed: string;
  readonly kind: RuleKind;
  readonly caller: MeshCaller;
  /** Of fields that the application takes for `x-role`. */
  readonly names?: string[];
}

/** Sends all of the corpus; what reached the application, and what of it some application would take for forbidden. */
export async function attackWith({ app, seed, kind, caller, names }: Attack): Promise<Outcome> {
  const before = app.seen.length;
  const targets = corpus(seed);
  for (const [i, target] of targets.entries()) {
    const { method, fields } = kind.variants[i % kind.variants.length] ?? { method: "GET", fields: [] };
    await caller.ask({ method, target, fields });
  }
  const seen = app.seen.slice(before);
  return {
    sent: targets.length,
    reached: seen.length,
    bypasses: seen.flatMap((request) => forbiddenReadings(kind, request, names)),
  };
}
