/**
 * `${name}` in the names that binding rules grant: the part of HashiCorp's interpolation language that Consul lets them
 * use, which is variables. `$${` stands for `${`.
 */
export type Interpolation =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly message: string };

const part = /\$\$\{|\$\{\s*([A-Za-z_][A-Za-z0-9_.:/-]*)\s*\}|\$\{/g;

/** The values are put in in lower case with `lowersCase`, as Consul does for names. */
export function interpolate(
  template: string,
  variables: ReadonlyMap<string, string>,
  options: { readonly lowersCase: boolean },
): Interpolation {
  let problem: string | undefined;
  const text = template.replace(part, (found, name: string | undefined) => {
    if (found === "$${") return "${";
    const value = name === undefined ? undefined : variables.get(name);
    if (value === undefined) {
      problem ??= name === undefined ? `"$\{" is not followed by a name and "}"` : `unknown variable accessed: ${name}`;
      return "";
    }
    return options.lowersCase ? value.toLowerCase() : value;
  });
  return problem === undefined ? { ok: true, text } : { ok: false, message: problem };
}
