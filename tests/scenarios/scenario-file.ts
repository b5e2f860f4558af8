import { type Command, Scenario } from "./scenario.ts";

/**
 * A file begins with lines of `#` that say why it exists. Blocks follow, apart by empty lines: commands, `----`, and exactly
 * what is to be seen. A comment may stand before each block.
 */
interface Block {
  readonly comments: readonly string[];
  readonly commands: readonly string[];
  readonly expected: readonly string[];
}

export function parseScenario(text: string): readonly Block[] {
  return text
    .trim()
    .split(/\n\s*\n/)
    .map((part) => {
      const lines = part.split("\n").map((line) => line.trimEnd());
      const divider = lines.indexOf("----");
      const head = divider === -1 ? lines : lines.slice(0, divider);
      const commands = head.filter((line) => !line.startsWith("#"));
      if (divider === -1 && commands.length > 0) throw new Error(`a block without ----: ${commands[0]}`);
      const comments = head.filter((line) => line.startsWith("#"));
      return { comments, commands, expected: divider === -1 ? [] : lines.slice(divider + 1) };
    });
}

/** The same blocks with what is really to be seen. */
export function runScenario(blocks: readonly Block[]): readonly Block[] {
  const scenario = new Scenario();
  return blocks.map((block) => {
    const lines = block.commands.flatMap((line) => runLine(scenario, line));
    return { ...block, expected: block.commands.length > 0 && lines.length === 0 ? ["ok"] : lines };
  });
}

/** A broken invariant is something to be seen, too. */
function runLine(scenario: Scenario, line: string): string[] {
  try {
    return scenario.run(parseCommand(line));
  } catch (thrown) {
    if (thrown instanceof Error && thrown.name === "AssertionError") return [`halted: ${thrown.message}`];
    throw thrown;
  }
}

export function formatScenario(blocks: readonly Block[]): string {
  const parts = blocks.map(({ comments, commands, expected }) => {
    const lines = commands.length === 0 ? comments : [...comments, ...commands, "----", ...expected];
    return lines.join("\n");
  });
  return `${parts.join("\n\n")}\n`;
}

function parseCommand(line: string): Command {
  const [name = "", ...rest] = line.split(/\s+/);
  const options = new Map<string, string>();
  const words = rest.filter((word) => {
    const equals = word.indexOf("=");
    if (equals > 0) options.set(word.slice(0, equals), word.slice(equals + 1));
    return equals <= 0;
  });
  return { name, words, options };
}
