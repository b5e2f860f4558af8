/** Messages between servers as raft.proto has them, and back. What a peer sends is judged here, before the core sees it. */
import type { Entry, Message, SnapshotMeta } from "../raft/core/types.ts";
import { decodeConfigChange } from "../raft/shell/change-codec.ts";
import { isCount, isRecord, parseMembership } from "../raft/shell/disk-layout.ts";
import type { WireEntry, WireMessage } from "./raft-methods.ts";

export function toWire(message: Message): Partial<WireMessage> {
  const { type, term } = message;
  switch (message.type) {
    case "pre-vote":
    case "vote":
      return { type, term, index: message.lastIndex, logTerm: message.lastTerm, flag: message.isTransfer };
    case "pre-vote-response":
    case "vote-response":
      return { type, term, flag: message.isGranted, commit: message.commit, logTerm: message.commitTerm };
    case "append": {
      const { prevIndex, prevTerm, commit, entries } = message;
      return { type, term, index: prevIndex, logTerm: prevTerm, commit, entries: entries.map(toWireEntry) };
    }
    case "append-response": {
      const { index, isRejected, hintIndex, hintTerm } = message;
      return { type, term, index, flag: isRejected, hintIndex, hintTerm };
    }
    case "heartbeat":
      return { type, term, commit: message.commit, round: message.round };
    case "heartbeat-response":
      return { type, term, round: message.round };
    case "snapshot":
      return { type, term, snapshotJson: JSON.stringify(message.snapshot) };
    case "timeout-now":
      return { type, term };
  }
}

/** Undefined for what this program does not know or cannot read. */
export function fromWire(wire: WireMessage, ends: { readonly from: string; readonly to: string }): Message | undefined {
  const { type, term, index, logTerm, commit, round, flag } = wire;
  const base = { ...ends, term };
  switch (type) {
    case "pre-vote":
    case "vote":
      return { ...base, type, lastIndex: index, lastTerm: logTerm, isTransfer: flag };
    case "pre-vote-response":
    case "vote-response":
      return { ...base, type, isGranted: flag, commit, commitTerm: logTerm };
    case "append": {
      const entries = fromWireEntries(wire.entries, index + 1);
      return entries === undefined
        ? undefined
        : { ...base, type, prevIndex: index, prevTerm: logTerm, commit, entries };
    }
    case "append-response": {
      const { hintIndex, hintTerm } = wire;
      return { ...base, type, index, isRejected: flag, hintIndex, hintTerm };
    }
    case "heartbeat":
      return { ...base, type, commit, round };
    case "heartbeat-response":
      return { ...base, type, round };
    case "snapshot": {
      const snapshot = decodeSnapshotMeta(wire.snapshotJson);
      return snapshot === undefined ? undefined : { ...base, type, snapshot };
    }
    case "timeout-now":
      return { ...base, type };
    default:
      return undefined;
  }
}

export function decodeSnapshotMeta(json: string): SnapshotMeta | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { index, term } = value;
  const membership = parseMembership(value["membership"]);
  return isCount(index) && isCount(term) && membership !== undefined ? { index, term, membership } : undefined;
}

function toWireEntry(entry: Entry): WireEntry {
  const { term, kind } = entry;
  if (entry.kind === "command") return { term, kind, data: entry.data };
  return { term, kind, data: entry.kind === "config" ? JSON.stringify(entry.change) : "" };
}

function fromWireEntries(wire: readonly WireEntry[], firstIndex: number): readonly Entry[] | undefined {
  const entries: Entry[] = [];
  for (const [i, { term, kind, data }] of wire.entries()) {
    const index = firstIndex + i;
    if (kind === "command") entries.push({ index, term, kind, data });
    else if (kind === "empty") entries.push({ index, term, kind });
    else {
      const change = kind === "config" ? decodeConfigChange(data) : undefined;
      if (change === undefined) return undefined;
      entries.push({ index, term, kind: "config", change });
    }
  }
  return entries;
}
