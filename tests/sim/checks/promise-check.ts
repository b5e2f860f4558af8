import type { Message } from "../../../server/raft/core/types.ts";
import { expectThat } from "../violation.ts";
import type { LogView } from "./log-view.ts";

/** Nothing is promised to another server before what it rests on is durable, and no vote is given twice in a term. */
export class PromiseCheck {
  readonly #grants = new Map<string, string>();
  readonly #isDiskLying: boolean;

  constructor(options: { readonly isDiskLying: boolean }) {
    this.#isDiskLying = options.isDiskLying;
  }

  sent(view: LogView, message: Message): void {
    const show = (): string =>
      `${view.id} sends ${JSON.stringify(message)} with ${JSON.stringify(view.durable)} durable`;
    if (message.type === "vote") this.#grant(view, message.term, view.id);
    if (message.type === "vote-response" && message.isGranted) this.#grant(view, message.term, message.to);
    if (this.#isDiskLying) return;
    switch (message.type) {
      // A later term on the disk does as well: no other vote can follow in the earlier one.
      case "vote":
        expectThat(isVoteDurable(view, message.term, view.id), "persist first", show);
        return;
      case "vote-response":
        expectThat(view.durable.term >= message.term, "persist first", show);
        if (message.isGranted) expectThat(isVoteDurable(view, message.term, message.to), "persist first", show);
        return;
      case "append-response":
        expectThat(view.durable.term >= message.term, "persist first", show);
        // A leader of a later term may have cut again what was accepted, before the one write of both: as if the answer
        // had left in between and been delayed.
        if (message.isRejected || view.durable.term > message.term) return;
        expectThat(view.durableLastIndex >= message.index, "persist first", show);
        return;
      default:
    }
  }

  #grant(view: LogView, term: number, candidate: string): void {
    const key = `${view.id}/${term}`;
    const other = this.#grants.get(key) ?? candidate;
    expectThat(
      other === candidate,
      "one vote a term",
      () => `${view.id} votes in ${term} for ${other} and ${candidate}`,
    );
    this.#grants.set(key, candidate);
  }
}

function isVoteDurable({ durable }: LogView, term: number, vote: string): boolean {
  return durable.term > term || (durable.term === term && durable.vote === vote);
}
