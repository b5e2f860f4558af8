/**
 * Field names with an underscore: applications that get fields as variables (CGI and what came of it) cannot tell `x_user`
 * from `x-user`, so one of them can be used to forge the other.
 */
export type UnderscoreRule = "allow" | "reject" | "drop";

/** Consul's and Envoy's choice when nothing is said. */
export const defaultUnderscoreRule: UnderscoreRule = "allow";

/** `fields` are names and values, alternating. */
export function hasUnderscoreName(fields: readonly string[]): boolean {
  for (let i = 0; i < fields.length; i += 2) if (fields[i]?.includes("_")) return true;
  return false;
}
