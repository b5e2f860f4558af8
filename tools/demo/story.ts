import { errorMessage } from "../../lib/base/errors.ts";

/** Tells what happens: every line of a step, or with `isCheck` one line per step. */
export interface Story {
  /**
   * Runs one step. `tell` gives a line of what was observed; what `body` resolves with is the step's one-line result.
   * Resolves with whether it succeeded; what it throws is printed.
   */
  step(title: string, body: (tell: Tell) => Promise<string>): Promise<boolean>;
}

export type Tell = (line: string) => void;

export function createStory(options: { readonly isCheck: boolean; readonly print: Tell }): Story {
  const { isCheck, print } = options;
  let number = 0;
  return {
    async step(title, body) {
      number++;
      if (!isCheck) print(`\n${number}. ${title}`);
      const startedMs = performance.now();
      try {
        const result = await body(isCheck ? () => undefined : (line) => print(`   ${line}`));
        const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
        print(isCheck ? `ok    ${number}. ${title}: ${result} (${seconds} s)` : `   => ${result}`);
        return true;
      } catch (thrown) {
        print(isCheck ? `FAIL  ${number}. ${title}: ${errorMessage(thrown)}` : `   => FAILED: ${errorMessage(thrown)}`);
        return false;
      }
    },
  };
}
