import { parseArgs } from "node:util";
import { AtollError } from "../lib/contract/error-codes.ts";
import { nearest } from "./suggest.ts";

/**
 * Command line flags as Consul takes them: `-name value`, `-name=value` and the same with two dashes; a boolean flag
 * stands alone or takes `=true` or `=false`. A flag given twice keeps its last value unless it is `multiple`.
 */
export interface FlagSpec {
  readonly type: "boolean" | "string" | "integer";
  /** Collects every value in order instead of keeping the last. */
  readonly multiple?: true;
  /** Another flag that gets the values of this one, in the order of the command line. */
  readonly sameAs?: string;
  /** What stands for the value in the usage text, as in `-data-dir=<path>`. */
  readonly placeholder?: string;
  readonly summary: string;
}

export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

type One<S extends FlagSpec> = S["type"] extends "boolean" ? boolean : S["type"] extends "integer" ? number : string;

/** Values by flag name; a flag that was not given is absent, a `multiple` one is an empty list. */
export type FlagValues<S extends FlagSpecs> = {
  readonly [Name in keyof S]: S[Name] extends { readonly multiple: true }
    ? readonly One<S[Name]>[]
    : One<S[Name]> | undefined;
};

export interface ParsedFlags<S extends FlagSpecs> {
  readonly flags: FlagValues<S>;
  readonly positionals: readonly string[];
}

export interface ParseFlagsOptions<S extends FlagSpecs> {
  readonly args: readonly string[];
  readonly flags: S;
  /** How many arguments that are not flags the command takes at most. */
  readonly maxPositionals?: number;
  /** The first argument that is no flag ends the flags: what follows belongs to another program. */
  readonly endsAtPositional?: boolean;
}

/** Reads the arguments of a command. Throws `INVALID_ARGUMENT` naming the flag and, for an unknown one, the nearest. */
export function parseFlags<const S extends FlagSpecs>(options: ParseFlagsOptions<S>): ParsedFlags<S> {
  const { tokens } = parseArgs({
    args: options.args.map(withTwoDashes),
    options: Object.fromEntries(
      Object.entries(options.flags).map(([name, spec]) => [
        name,
        { type: spec.type === "boolean" ? ("boolean" as const) : ("string" as const) },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, (string | number | boolean)[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") {
      if (options.endsAtPositional === true) {
        positionals.push(...options.args.slice(token.index));
        break;
      }
      positionals.push(token.value);
    }
    if (token.kind !== "option") continue;
    const spec = Object.hasOwn(options.flags, token.name) ? options.flags[token.name] : undefined;
    if (spec === undefined) throw unknownFlag(token.name, Object.keys(options.flags));
    const value = readValue(token.name, spec, token.value);
    const name = spec.sameAs ?? token.name;
    values.set(name, spec.multiple ? [...(values.get(name) ?? []), value] : [value]);
  }
  const maxPositionals = options.maxPositionals ?? 0;
  if (positionals.length > maxPositionals) {
    throw new AtollError("INVALID_ARGUMENT", `unexpected argument "${positionals[maxPositionals]}"`);
  }
  return { flags: collect(options.flags, values), positionals };
}

/** Whether the arguments ask for help instead of a run. */
export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const before = end === -1 ? args : args.slice(0, end);
  return args[0] === "help" || before.some((arg) => ["-h", "-help", "--help"].includes(arg));
}

export interface UsageOptions {
  /** As in `atoll version [options]`. */
  readonly synopsis: string;
  readonly description: string;
  readonly flags: FlagSpecs;
  readonly examples?: readonly string[];
}

const usageColumns = 80;

/** The usage text of a command: synopsis, description, examples and one paragraph per flag. */
export function formatUsage(options: UsageOptions): string {
  const flags = Object.entries(options.flags).map(([name, spec]) => {
    const value = spec.type === "boolean" ? "" : `=<${spec.placeholder ?? spec.type}>`;
    const repeats = spec.multiple ? " May be given more than once." : "";
    return `  -${name}${value}\n${wrap(spec.summary + repeats, 6)}`;
  });
  const examples = options.examples ?? [];
  return [
    `Usage: ${options.synopsis}\n\n${wrap(options.description, 2)}`,
    ...(examples.length > 0 ? [`\nExamples\n\n${examples.map((line) => `  $ ${line}\n`).join("")}`] : []),
    ...(flags.length > 0 ? [`\nOptions\n\n${flags.join("\n")}`] : []),
  ].join("");
}

/** `text` in lines of at most {@link usageColumns}, each after `indent` spaces and with its line end. */
function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  for (const word of text.trim().split(/\s+/)) {
    const last = lines.at(-1);
    const joined = `${last} ${word}`;
    if (last === undefined || indent + joined.length > usageColumns) lines.push(word);
    else lines[lines.length - 1] = joined;
  }
  return lines.map((line) => `${" ".repeat(indent)}${line}\n`).join("");
}

/** parseArgs reads `-name` as a bundle of short flags, which Atoll has none of. */
function withTwoDashes(arg: string, index: number, args: readonly string[]): string {
  const end = args.indexOf("--");
  return /^-[A-Za-z]/.test(arg) && (end === -1 || index < end) ? `-${arg}` : arg;
}

function readValue(name: string, spec: FlagSpec, text: string | undefined): string | number | boolean {
  if (spec.type === "boolean") {
    if (text === undefined || text === "true" || text === "1") return true;
    if (text === "false" || text === "0") return false;
    throw new AtollError("INVALID_ARGUMENT", `flag -${name} must be true or false, found "${text}"`);
  }
  if (text === undefined) {
    throw new AtollError(
      "INVALID_ARGUMENT",
      `flag -${name} needs a value: -${name}=<${spec.placeholder ?? spec.type}>`,
    );
  }
  if (spec.type === "string") return text;
  const number = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(number)) {
    throw new AtollError("INVALID_ARGUMENT", `flag -${name} must be a whole number, found "${text}"`);
  }
  return number;
}

function unknownFlag(name: string, known: readonly string[]): AtollError {
  const guess = nearest(name, known);
  const hint = guess === undefined ? "" : ` (did you mean -${guess}?)`;
  return new AtollError("INVALID_ARGUMENT", `unknown flag -${name}${hint}`);
}

function collect<S extends FlagSpecs>(specs: S, values: ReadonlyMap<string, readonly unknown[]>): FlagValues<S> {
  const entries = Object.entries(specs).map(([name, spec]) => {
    const given = values.get(name) ?? [];
    return [name, spec.multiple ? given : given[0]];
  });
  // readValue gave each value the type of its spec.
  return Object.fromEntries(entries) as FlagValues<S>;
}
