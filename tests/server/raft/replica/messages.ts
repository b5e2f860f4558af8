import type { Entry, Message } from "../../../../server/raft/core/types.ts";
import { encodeCommand } from "../../../../server/raft/replica/envelope.ts";
import type { Effect, ReplicaInput, StoreBatch } from "../../../../server/raft/replica/replica-api.ts";
import { clusterId } from "./test-cluster.ts";

export function command(index: number, term: number, text: string): Entry {
  return { index, term, kind: "command", data: encodeCommand({ requestId: "", command: text }) };
}

export function messageInput(message: Message): ReplicaInput {
  return { type: "message", clusterId, message };
}

export interface AppendFields {
  readonly from?: string;
  readonly term: number;
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly entries?: readonly Entry[];
  readonly commit?: number;
}

/** An append to r1. */
export function append({ from = "r2", entries = [], commit = 1, ...fields }: AppendFields): ReplicaInput {
  return messageInput({ type: "append", from, to: "r1", entries, commit, ...fields });
}

/** A vote request to r1 from a candidate that is as up to date as can be. */
export function voteRequest(term: number, from = "r2"): ReplicaInput {
  return messageInput({ type: "vote", from, to: "r1", term, lastIndex: 1_000, lastTerm: term - 1, isTransfer: true });
}

export function sent(effects: readonly Effect[], type?: Message["type"]): readonly Message[] {
  const messages = effects.flatMap((effect) => (effect.type === "send" ? [effect.message] : []));
  return type === undefined ? messages : messages.filter((message) => message.type === type);
}

export function batchesOf(effects: readonly Effect[]): readonly StoreBatch[] {
  return effects.flatMap((effect) => (effect.type === "store" ? [effect.batch] : []));
}

export function haltReasons(effects: readonly Effect[]): readonly string[] {
  return effects.flatMap((effect) => (effect.type === "halt" ? [effect.reason] : []));
}
