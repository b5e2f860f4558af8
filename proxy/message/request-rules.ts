import type { FieldBlock } from "./field-block.ts";
import { FieldEdit } from "./field-edit.ts";
import { hasUnderscoreName, type UnderscoreRule } from "./field-names.ts";
import { forwardedRule } from "./forwarded.ts";
import { defaultPathRules, normalisePath, type PathProblem, pathProblems, type PathRules } from "./path.ts";
import type { RequestHead } from "./request-head.ts";

/**
 * The step between codec and policy: a valid request becomes the canonical one, which is all that is matched, authorized,
 * logged and forwarded from then on; or it is answered here.
 */
export interface RequestRules extends PathRules {
  readonly underscores: UnderscoreRule;
}

export const defaultRequestRules: RequestRules = { ...defaultPathRules, underscores: "allow" };

export const requestRuleProblems = [
  ...pathProblems,
  "underscore_in_name",
  "conflicting_forwarded",
  "bad_max_forwards",
] as const;
export type RequestRuleProblem = PathProblem | "underscore_in_name" | "conflicting_forwarded" | "bad_max_forwards";

export type RequestRuleOutcome =
  | RequestHead
  | { readonly answer: "reject"; readonly problem: RequestRuleProblem }
  /** Where the client is sent instead (307). */
  | { readonly answer: "redirect"; readonly location: string }
  /** `Max-Forwards` says that this is the last hop of a TRACE or OPTIONS (RFC 9110 section 7.6.2). */
  | { readonly answer: "last-hop" };

/** A head that stands for repeated messages is worked on once: then this costs two comparisons of pointers. */
export function canonicalRequest(head: RequestHead, rules: RequestRules): RequestRuleOutcome {
  const { block } = head;
  if (block.ruledBy === rules && block.ruled !== undefined) return block.ruled;
  const outcome = applyRules(head, rules);
  if (block.isShared) {
    if ("block" in outcome) outcome.block.isShared = true;
    block.ruled = outcome;
    block.ruledBy = rules;
  }
  return outcome;
}

function applyRules(head: RequestHead, rules: RequestRules): RequestRuleOutcome {
  const path = normalisePath(head.path, rules);
  if (typeof path !== "string") {
    return "reject" in path ? reject(path.reject) : { answer: "redirect", location: path.redirect };
  }
  const { block } = head;
  const dropsUnderscores = rules.underscores !== "allow" && hasUnderscoreName(block.fields);
  if (dropsUnderscores && rules.underscores === "reject") return reject("underscore_in_name");
  let edit: FieldEdit | undefined;
  if (path !== head.path) {
    edit = new FieldEdit(block);
    edit.setFirst(":path", path);
  }
  let seen: Map<string, number> | undefined;
  for (let i = 0; i < block.fields.length; i += 2) {
    const name = block.fields[i] ?? "";
    const rule = dropsUnderscores && name.includes("_") ? "proxy" : forwardedRule(name);
    if (rule === undefined) continue;
    if (rule === "proxy") {
      edit ??= new FieldEdit(block);
      edit.drop(i);
      continue;
    }
    seen ??= new Map();
    const before = seen.get(name);
    if (before === undefined) {
      seen.set(name, i);
      continue;
    }
    edit ??= new FieldEdit(block);
    const value = edit.value(i);
    if (rule === "list") edit.set(before, `${edit.value(before)}, ${value}`);
    else if (edit.value(before) !== value) return reject("conflicting_forwarded");
    edit.drop(i);
  }
  if (head.method === "TRACE" || head.method === "OPTIONS") {
    const left = maxForwards(block);
    if (left === undefined) return reject("bad_max_forwards");
    if (left === 0) return { answer: "last-hop" };
    if (left > 0) {
      edit ??= new FieldEdit(block);
      edit.setFirst("max-forwards", `${left - 1}`);
    }
  }
  return edit === undefined ? head : edit.request();
}

/** Trailers without what `canonicalRequest` would not let into a head. */
export function canonicalTrailers(block: FieldBlock, rules: RequestRules): FieldBlock {
  let edit: FieldEdit | undefined;
  for (let i = 0; i < block.fields.length; i += 2) {
    const name = block.fields[i] ?? "";
    const isDropped = rules.underscores !== "allow" && name.includes("_");
    if (!isDropped && forwardedRule(name) === undefined) continue;
    edit ??= new FieldEdit(block);
    edit.drop(i);
  }
  return edit?.block() ?? block;
}

function reject(problem: RequestRuleProblem): RequestRuleOutcome {
  return { answer: "reject", problem };
}

/** -1 when there is none; undefined when it is no number of RFC 9110 section 7.6.2, or there are two. */
function maxForwards({ fields }: FieldBlock): number | undefined {
  const values = fields.filter((_, i) => i % 2 === 1 && fields[i - 1] === "max-forwards");
  if (values.length === 0) return -1;
  const [value = ""] = values;
  return values.length === 1 && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}
