import type { ServerLink, Subscription } from "../lib/client/server-link.ts";
import type { IntentionAction } from "../lib/contract/config-entries.ts";
import type { IntentionsValue } from "../lib/contract/topics.ts";

/** Calls back with the intentions of a destination, now and after each change, until closed. */
export type IntentionSource = (destination: string, onValue: (value: IntentionsValue) => void) => Subscription;

/** What applies where none matches is the servers' to say, unless this agent has a `default_intention_policy` of its own. */
export function createIntentionSource(
  link: Pick<ServerLink, "subscribe">,
  ownDefault?: IntentionAction,
): IntentionSource {
  return (destination, onValue) =>
    link.subscribe<"intentions">({ kind: "intentions", destination }, (value) =>
      onValue(ownDefault === undefined ? value : { ...value, defaultAction: ownDefault, isDefaultSet: true }),
    );
}
