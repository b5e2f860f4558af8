import type { FieldEdits } from "../../lib/contract/proxy-field-edits.ts";
import type { RouteEffects } from "../exchange/policy.ts";
import { FieldEdit } from "../message/field-edit.ts";
import { ResponseHead } from "../message/response-head.ts";

/** Changes to the fields of one message, those of a route and then those of its target. */
export class MessageEdits {
  readonly isEmpty: boolean;
  readonly #steps: readonly FieldEdits[];

  constructor(steps: readonly FieldEdits[]) {
    this.#steps = steps.map(({ set, add, remove }) => ({
      set: set.map(({ name, value }) => ({ name: name.toLowerCase(), value })),
      add: add.map(({ name, value }) => ({ name: name.toLowerCase(), value })),
      remove: remove.map((name) => name.toLowerCase()),
    }));
    this.isEmpty = steps.every(({ set, add, remove }) => set.length + add.length + remove.length === 0);
  }

  apply(edit: FieldEdit): void {
    for (const { set, add, remove } of this.#steps) {
      for (const name of remove) edit.remove(name);
      for (const { name, value } of set) edit.replace(name, value);
      for (const { name, value } of add) edit.add(name, value);
    }
  }
}

/** What a route does to the responses of one of its targets. A head that stands for repeated responses is edited once. */
export class ResponseEdits implements RouteEffects {
  readonly name: string;
  readonly #edits: MessageEdits;

  constructor(name: string, edits: MessageEdits) {
    this.name = name;
    this.#edits = edits;
  }

  editResponse(head: ResponseHead): ResponseHead {
    if (this.#edits.isEmpty) return head;
    const { block } = head;
    if (block.decidedBy === this && block.decided instanceof ResponseHead) return block.decided;
    const edit = new FieldEdit(block);
    this.#edits.apply(edit);
    const edited = edit.response();
    if (block.isShared) {
      edited.block.isShared = true;
      block.decided = edited;
      block.decidedBy = this;
    }
    return edited;
  }
}
