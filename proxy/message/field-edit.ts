import { mustGet } from "../../lib/base/assert.ts";
import { FieldBlock } from "./field-block.ts";
import { checkRequest, RequestHead } from "./request-head.ts";
import { checkResponse, ResponseHead } from "./response-head.ts";

/** A block with some of its fields changed: the original stays as it is, since it may stand for many messages. */
export class FieldEdit {
  readonly #fields: string[];
  readonly #neverIndexed: readonly number[];

  constructor(block: FieldBlock) {
    this.#fields = [...block.fields];
    this.#neverIndexed = block.neverIndexed;
  }

  /** `at` is the index of the field's name. */
  value(at: number): string {
    return this.#fields[at + 1] ?? "";
  }

  set(at: number, value: string): void {
    this.#fields[at + 1] = value;
  }

  has(name: string): boolean {
    return this.#fields.some((text, i) => i % 2 === 0 && text === name);
  }

  /** Of the first field of this name, or empty. */
  first(name: string): string {
    for (let i = 0; i < this.#fields.length; i += 2) if (this.#fields[i] === name) return this.value(i);
    return "";
  }

  /** Of the first field of this name. */
  setFirst(name: string, value: string): void {
    for (let i = 0; i < this.#fields.length; i += 2) {
      if (this.#fields[i] !== name) continue;
      this.set(i, value);
      return;
    }
  }

  drop(at: number): void {
    this.#fields[at] = "";
  }

  add(name: string, value: string): void {
    this.#fields.push(name, value);
  }

  /** All fields of this name. */
  remove(name: string): void {
    for (let i = 0; i < this.#fields.length; i += 2) if (this.#fields[i] === name) this.drop(i);
  }

  /** One field in the place of all of this name. */
  replace(name: string, value: string): void {
    const first = this.#fields.findIndex((text, i) => i % 2 === 0 && text === name);
    if (first < 0) {
      this.add(name, value);
      return;
    }
    this.set(first, value);
    for (let i = first + 2; i < this.#fields.length; i += 2) if (this.#fields[i] === name) this.drop(i);
  }

  block(): FieldBlock {
    const fields: string[] = [];
    const neverIndexed: number[] = [];
    for (let i = 0; i < this.#fields.length; i += 2) {
      const name = this.#fields[i] ?? "";
      if (name === "") continue;
      if (this.#neverIndexed.includes(i)) neverIndexed.push(fields.length);
      fields.push(name, this.#fields[i + 1] ?? "");
    }
    return new FieldBlock(fields, neverIndexed);
  }

  /** For edits that leave a valid request valid. */
  request(): RequestHead {
    const head = checkRequest(this.block());
    return mustGet(head instanceof RequestHead ? head : undefined, "an edited request is a valid one");
  }

  /** As `request`. */
  response(): ResponseHead {
    const head = checkResponse(this.block());
    return mustGet(head instanceof ResponseHead ? head : undefined, "an edited response is a valid one");
  }
}
