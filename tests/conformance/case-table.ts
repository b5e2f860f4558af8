import { afterAll, test } from "bun:test";

/** Cases of a specification by the names that it gives them. In the end a table is printed of what became of each. */
export class CaseTable {
  readonly #results = new Map<string, "passed" | "failed">();

  constructor() {
    afterAll(() => {
      const width = Math.max(...[...this.#results.keys()].map(({ length }) => length));
      for (const [name, result] of this.#results) process.stdout.write(`${name.padEnd(width)}  ${result}\n`);
    });
  }

  /** A test of one case; `sentence` says what it shows. */
  case(name: string, sentence: string, body: () => void): void {
    test(`${name}: ${sentence}`, () => {
      this.#results.set(name, "failed");
      body();
      this.#results.set(name, "passed");
    });
  }
}
