import type { IntentionAction, SourceIntention } from "./config-entries.ts";
import type { IntentionPermission } from "./intention-permissions.ts";

/** One intention as `/v1/connect/intentions` answers it, as far as it does not belong to its config entry. */
export interface Intention {
  readonly sourceName: string;
  readonly destinationName: string;
  /** With permissions it is what they come to where requests are not read: `deny`. */
  readonly action: IntentionAction;
  readonly permissions?: readonly IntentionPermission[];
  readonly precedence: number;
  readonly description: string;
  readonly legacyId?: string;
}

export const wildcard = "*";

/** Consul's precedence in a single namespace: 9 exact to exact, 8 any to exact, 6 exact to any, 5 any to any. */
export function intentionPrecedence(sourceName: string, destinationName: string): number {
  if (destinationName !== wildcard) return sourceName === wildcard ? 8 : 9;
  return sourceName === wildcard ? 5 : 6;
}

/** Highest precedence first; equal ones by source, then destination name. */
export function compareIntentions(a: Intention, b: Intention): number {
  return (
    b.precedence - a.precedence ||
    compareText(a.sourceName, b.sourceName) ||
    compareText(a.destinationName, b.destinationName)
  );
}

/**
 * The first intention of `sorted` (by {@link compareIntentions}) that covers the pair decides; without one the default
 * policy does. `intention` is the one that decided.
 */
export function decideIntention(
  sorted: readonly Intention[],
  pair: { readonly source: string; readonly destination: string },
  defaultAction: IntentionAction,
): { readonly action: IntentionAction; readonly intention?: Intention } {
  const covers = (pattern: string, name: string): boolean => pattern === wildcard || pattern === name;
  const intention = sorted.find(
    (candidate) => covers(candidate.sourceName, pair.source) && covers(candidate.destinationName, pair.destination),
  );
  return intention === undefined ? { action: defaultAction } : { action: intention.action, intention };
}

/** The intention that one source of a `service-intentions` entry is. */
export function intentionOf(source: SourceIntention, destinationName: string): Intention {
  return {
    sourceName: source.Name,
    destinationName,
    action: source.Action === "" ? "deny" : source.Action,
    ...(source.Permissions !== undefined && { permissions: source.Permissions }),
    precedence: source.Precedence,
    description: source.Description,
    ...(source.LegacyID !== undefined && { legacyId: source.LegacyID }),
  };
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
