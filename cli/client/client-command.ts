import type { Static, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { AtollError } from "../../lib/contract/error-codes.ts";
import type { CommandIo } from "../command.ts";
import { type FlagSpecs, type FlagValues, formatUsage, parseFlags } from "../flags.ts";
import { type HttpApi, openHttpApi } from "../http-api.ts";
import { httpFlags } from "../http-target.ts";
import type { Subcommand } from "../subcommands.ts";

/** A command that asks an agent: Consul's common flags are added to its own, and the API they name is opened for it. */
export interface ClientCommandSpec<S extends FlagSpecs> {
  /** As typed behind the program's name, with what follows: `catalog nodes [options]`. */
  readonly synopsis: string;
  /** One line for the list of commands; the description of the usage text begins with it. */
  readonly summary: string;
  readonly description?: string;
  readonly flags: S;
  readonly maxPositionals?: number;
  /** The first argument that is no flag and everything after it is another program's command line. */
  readonly endsAtPositional?: boolean;
  readonly examples?: readonly string[];
  run(call: ClientCall<S>): Promise<number>;
}

export interface ClientCall<S extends FlagSpecs> {
  readonly api: HttpApi;
  readonly flags: FlagValues<S>;
  readonly positionals: readonly string[];
  readonly io: CommandIo;
}

export function clientCommand<const S extends FlagSpecs>(spec: ClientCommandSpec<S>): Subcommand {
  const { summary, description = "", maxPositionals = 0 } = spec;
  return {
    summary,
    usage: formatUsage({
      synopsis: `atoll ${spec.synopsis}`,
      description: `${summary} ${description}`,
      flags: { ...spec.flags, ...httpFlags },
      ...(spec.examples !== undefined && { examples: spec.examples.map((example) => `atoll ${example}`) }),
    }),
    async run(args, io) {
      const specs: FlagSpecs = { ...httpFlags, ...spec.flags };
      const { flags, positionals } = parseFlags({
        args,
        flags: specs,
        maxPositionals,
        endsAtPositional: spec.endsAtPositional ?? false,
      });
      // The values of both kinds are in there, each of the type of its spec.
      const common = flags as FlagValues<typeof httpFlags>;
      const own = flags as FlagValues<S>;
      return await spec.run({ api: openHttpApi({ flags: common, env: io.env }), flags: own, positionals, io });
    },
  };
}

/** `value` as the schema says, or an error that says which answer is not what it should be. */
export function mustBe<S extends TSchema>(schema: S, value: unknown, what: string): Static<S> {
  if (Compile(schema).Check(value)) return value;
  throw new AtollError("INTERNAL", `the answer is not ${what}`);
}

export function argument(positionals: readonly string[], at: number, what: string): string {
  const text = positionals[at];
  if (text !== undefined && text !== "") return text;
  throw new AtollError("INVALID_ARGUMENT", `${what} is missing`);
}

/** As Consul's commands print JSON. */
export function printJson(io: CommandIo, value: unknown): void {
  io.stdout(`${JSON.stringify(value, null, 4)}\n`);
}

/** `k=v` pairs of a repeatable flag. */
export function pairs(flag: string, texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
      throw new AtollError("INVALID_ARGUMENT", `flag -${flag} must be key=value, found "${text}"`);
    }),
  );
}
