import { AtollError } from "../lib/contract/error-codes.ts";
import type { CliCommand, CommandIo } from "./command.ts";
import { nearest } from "./suggest.ts";

export interface Subcommand extends CliCommand {
  /** One line for the list. */
  readonly summary: string;
}

/** A command that only groups others, as `atoll operator raft`. */
export function commandGroup(group: {
  /** As typed, with the program's name. */
  readonly name: string;
  readonly description: string;
  readonly commands: ReadonlyMap<string, Subcommand>;
}): Subcommand {
  const { name, commands } = group;
  const width = Math.max(...[...commands.keys()].map((one) => one.length));
  const list = [...commands].map(([one, { summary }]) => `    ${one.padEnd(width)}    ${summary}\n`).join("");
  const usage = `Usage: ${name} <subcommand> [options]\n\n  ${group.description}\n\nSubcommands:\n${list}`;
  return {
    summary: group.description,
    usage,
    usageOf(args) {
      const [first = "", ...rest] = args;
      const command = commands.get(first);
      return command === undefined ? usage : (command.usageOf?.(rest) ?? command.usage);
    },
    async run(args: readonly string[], io: CommandIo) {
      const [first, ...rest] = args;
      if (first === undefined) {
        io.stderr(usage);
        return 1;
      }
      const command = commands.get(first);
      if (command === undefined) {
        const guess = nearest(first, commands.keys());
        const hint = guess === undefined ? "" : ` (did you mean "${guess}"?)`;
        throw new AtollError("INVALID_ARGUMENT", `unknown subcommand "${name} ${first}"${hint}`);
      }
      return command.run(rest, io);
    },
  };
}
