import type { CommandResult } from "../../lib/contract/commands.ts";

/** Names are keys on disk and in memory; longer ones are a mistake or an attack. */
export const maxNameLength = 1024;

export type Refusal = Extract<CommandResult, { readonly ok: false }>;

export function refuse(code: Refusal["code"], message: string): Refusal {
  return { ok: false, code, message };
}

/**
 * Why `name` cannot be a key: it is absent, too long, or holds control characters or halves of surrogate pairs (which
 * would become another name in UTF-8). The edge has stricter rules; these keep the tables sound whatever it lets through.
 */
export function nameProblem(field: string, name: string): Refusal | undefined {
  if (name === "") return refuse("INVALID_ARGUMENT", `${field} is required`);
  if (name.length > maxNameLength) {
    return refuse(
      "INVALID_ARGUMENT",
      `${field} is ${name.length} characters long; at most ${maxNameLength} are allowed`,
    );
  }
  if (/\p{Cc}/u.test(name) || !name.isWellFormed()) {
    return refuse("INVALID_ARGUMENT", `${field} must not hold control characters: ${JSON.stringify(name)}`);
  }
  return undefined;
}
