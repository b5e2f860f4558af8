import type { ConfigChange, Entry, Membership, Message, Ready } from "../../server/raft/core/types.ts";

/** How scenario files write what the core says: short, stable and without anything that is at its default. */
export function formatEntry(entry: Entry): string {
  const at = `${entry.index}/${entry.term}`;
  switch (entry.kind) {
    case "empty":
      return `${at} empty`;
    case "command":
      return `${at} ${entry.data}`;
    case "config":
      return `${at} ${formatChange(entry.change)}`;
  }
}

export function formatEntries(entries: readonly Entry[]): string {
  return `[${entries.map(formatEntry).join(", ")}]`;
}

function formatChange(change: ConfigChange): string {
  if (change.type === "leave-joint") return "leave-joint";
  return change.steps.map(({ action, node }) => `${action} ${node}`).join(" + ");
}

export function formatMembership(membership: Membership): string {
  const { voters, outgoing, learners, learnersNext, removed } = membership;
  const sets = { voters, outgoing, learners, "learners-next": learnersNext, removed };
  return Object.entries(sets)
    .filter(([, nodes]) => nodes.length > 0)
    .map(([name, nodes]) => `${name}=${nodes.join(",")}`)
    .join(" ");
}

export function formatMessage(message: Message): string {
  const head = `${message.from}->${message.to} ${message.type} term=${message.term}`;
  switch (message.type) {
    case "pre-vote":
    case "vote":
      return `${head} last=${message.lastIndex}/${message.lastTerm}${message.isTransfer ? " transfer" : ""}`;
    case "pre-vote-response":
    case "vote-response":
      return message.isGranted
        ? `${head} granted`
        : `${head} refused${message.commit === 0 ? "" : ` commit=${message.commit}/${message.commitTerm}`}`;
    case "append":
      return `${head} prev=${message.prevIndex}/${message.prevTerm} ${formatEntries(message.entries)} commit=${message.commit}`;
    case "append-response":
      return message.isRejected
        ? `${head} rejected=${message.index} hint=${message.hintIndex}/${message.hintTerm}`
        : `${head} match=${message.index}`;
    case "heartbeat":
      return `${head} commit=${message.commit} round=${message.round}`;
    case "heartbeat-response":
      return `${head} round=${message.round}`;
    case "snapshot":
      return `${head} at=${message.snapshot.index}/${message.snapshot.term} ${formatMembership(message.snapshot.membership)}`;
    case "timeout-now":
      return head;
  }
}

/** One line per thing that a ready asks for. */
export function formatReady(id: string, ready: Ready): string[] {
  const { status, hardState, entries, messages, messagesAfterStore, install } = ready;
  const lines: string[] = [];
  if (status !== undefined) {
    lines.push(
      `${id} is ${status.role} in term ${status.term}, leader ${status.leader === "" ? "unknown" : status.leader}`,
    );
  }
  if (entries.length > 0 || hardState !== undefined) {
    const parts = [
      ...(entries.length > 0 ? [formatEntries(entries)] : []),
      ...(hardState === undefined
        ? []
        : [`term=${hardState.term} vote=${hardState.vote || "none"} commit=${hardState.commit}`]),
    ];
    lines.push(`${id} stores ${parts.join(" ")}${ready.mustSync ? "" : " without sync"}`);
  }
  if (install !== undefined) lines.push(`${id} installs snapshot ${install.index}/${install.term}`);
  for (const message of messages) lines.push(`${id} sends ${formatMessage(message)}`);
  for (const message of messagesAfterStore) lines.push(`${id} sends once stored ${formatMessage(message)}`);
  if (ready.committed.length > 0) lines.push(`${id} applies ${formatEntries(ready.committed)}`);
  for (const read of ready.reads) lines.push(`${id} confirms read ${read.id} at ${read.index}`);
  for (const read of ready.rejectedReads) lines.push(`${id} rejects read ${read}`);
  for (const node of ready.snapshotsWanted) lines.push(`${id} wants a snapshot for ${node}`);
  return lines;
}
