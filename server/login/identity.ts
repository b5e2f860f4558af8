import type { FilterField, FilterFields } from "../../lib/base/filter-expression.ts";

/**
 * Who somebody was found to be, as binding rules see it. `variables` are what `${...}` in names stands for, by their dotted
 * names; `maps` and `lists` what selectors may ask for, by theirs: `serviceaccount.name`, `value.team`, `list.groups`.
 */
export interface Identity {
  readonly variables: ReadonlyMap<string, string>;
  readonly lists: ReadonlyMap<string, readonly string[]>;
}

/** Thrown by a test of a selector: Consul's expressions match nothing when they ask for what is not there. */
class NotThere extends Error {}

/**
 * The fields that selectors may ask for. `open` are maps whose keys are not known before: any key of theirs is a selector,
 * and a selector with a key that an identity does not have matches nothing, not even when it is negated.
 */
export function identityFields(options: {
  readonly names: readonly string[];
  readonly listNames: readonly string[];
  readonly open: readonly string[];
}): FilterFields<Identity> {
  const { names, listNames, open } = options;
  const text = (name: string): FilterField<Identity> => ({
    kind: "text",
    values({ variables }) {
      const value = variables.get(name);
      if (value === undefined) throw new NotThere();
      return [value];
    },
  });
  return (path) => {
    const name = path.join(".");
    if (listNames.includes(name)) return { kind: "list", values: ({ lists }) => [lists.get(name) ?? []] };
    const isOpen = path.length > 1 && open.includes(path[0] ?? "");
    return names.includes(name) || isOpen ? text(name) : undefined;
  };
}

/** Whether a selector that was read holds for an identity. */
export function selects(matches: (identity: Identity) => boolean, identity: Identity): boolean {
  try {
    return matches(identity);
  } catch (thrown) {
    if (thrown instanceof NotThere) return false;
    throw thrown;
  }
}
