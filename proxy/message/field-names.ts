/**
 * Field names with an underscore: applications that get fields as variables (CGI and what came of it) cannot tell `x_user`
 * from `x-user`, so one of them can be used to forge the other.
 */
export type UnderscoreRule = "allow" | "reject" | "drop";

/** Consul's and Envoy's choice when nothing is said. */
export const defaultUnderscoreRule: UnderscoreRule = "allow";

/**
 * `fields` are names and values, alternating. The fields to go on with, the same array when there is nothing to do, or
 * undefined when the message is refused.
 */
export function withUnderscoreRule(fields: readonly string[], rule: UnderscoreRule): readonly string[] | undefined {
  if (rule === "allow" || !hasUnderscore(fields)) return fields;
  if (rule === "reject") return undefined;
  const result: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    if (!name.includes("_")) result.push(name, fields[i + 1] ?? "");
  }
  return result;
}

function hasUnderscore(fields: readonly string[]): boolean {
  for (let i = 0; i < fields.length; i += 2) if (fields[i]?.includes("_")) return true;
  return false;
}
