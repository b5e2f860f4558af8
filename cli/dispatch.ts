import { errorMessage } from "../lib/base/errors.ts";
import { AtollError } from "../lib/contract/error-codes.ts";
import { absentCommands } from "./absent-commands.ts";
import type { CommandIo } from "./command.ts";
import type { CommandEntry } from "./commands.ts";
import { asksForHelp } from "./flags.ts";
import { nearest } from "./suggest.ts";

/**
 * Runs one command line and resolves with its exit code; never rejects. An operating error is one line, `error: ...`,
 * and anything unexpected comes with its stack, since it is a defect that someone will have to find.
 */
export async function dispatch(
  args: readonly string[],
  commands: ReadonlyMap<string, CommandEntry>,
  io: CommandIo,
): Promise<number> {
  try {
    return await runCommand(args, commands, io);
  } catch (thrown) {
    if (thrown instanceof AtollError) {
      io.stderr(`error: ${thrown.message}\n`);
    } else {
      io.stderr(`unexpected error, please report it: ${stackOf(thrown)}\n`);
    }
    return 1;
  }
}

async function runCommand(
  args: readonly string[],
  commands: ReadonlyMap<string, CommandEntry>,
  io: CommandIo,
): Promise<number> {
  const [name, ...rest] = isVersionFlag(args[0]) ? ["version", ...args.slice(1)] : args;
  if (name === undefined) {
    io.stderr(asNamed(listCommands(commands), io));
    return 1;
  }
  if (["help", "-h", "-help", "--help"].includes(name)) return printHelp(rest[0], commands, io);
  const command = await mustFind(name, commands).load();
  if (asksForHelp(rest)) {
    io.stdout(asNamed(command.usageOf?.(rest) ?? command.usage, io));
    return 0;
  }
  return await command.run(rest, io);
}

async function printHelp(
  name: string | undefined,
  commands: ReadonlyMap<string, CommandEntry>,
  io: CommandIo,
): Promise<number> {
  const isCommand = name !== undefined && !name.startsWith("-");
  const text = isCommand ? (await mustFind(name, commands).load()).usage : listCommands(commands);
  io.stdout(asNamed(text, io));
  return 0;
}

function mustFind(name: string, commands: ReadonlyMap<string, CommandEntry>): CommandEntry {
  const entry = commands.get(name);
  if (entry !== undefined) return entry;
  const instead = absentCommands.get(name);
  if (instead !== undefined) {
    throw new AtollError("INVALID_ARGUMENT", `this version has no command "${name}": ${instead}`);
  }
  const what = name.startsWith("-") ? "flag before the command" : "command";
  const guess = nearest(name, commands.keys());
  const hint = guess === undefined ? "" : ` (did you mean "${guess}"?)`;
  throw new AtollError("INVALID_ARGUMENT", `unknown ${what} "${name}"${hint}; "atoll --help" lists them`);
}

function listCommands(commands: ReadonlyMap<string, CommandEntry>): string {
  const width = Math.max(...[...commands.keys()].map((name) => name.length));
  const lines = [...commands]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, entry]) => `    ${name.padEnd(width)}    ${entry.summary}\n`);
  return `Usage: atoll [--version] [--help] <command> [<args>]\n\nCommands:\n${lines.join("")}\nRun "atoll <command> --help" for the options of a command.\n`;
}

/** A usage text with the name that the person typed. */
function asNamed(text: string, { program }: CommandIo): string {
  return program === "atoll" ? text : text.replaceAll(/\batoll(?= )/g, program);
}

function isVersionFlag(arg: string | undefined): boolean {
  return arg === "-v" || arg === "-version" || arg === "--version";
}

function stackOf(thrown: unknown): string {
  return thrown instanceof Error && thrown.stack !== undefined ? thrown.stack : errorMessage(thrown);
}
