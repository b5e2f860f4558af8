/** A counter at zero for each of `names`. */
export function zeroes<const Names extends readonly string[]>(names: Names): Record<Names[number], number> {
  const counts = {} as Record<Names[number], number>;
  for (const name of names as readonly Names[number][]) counts[name] = 0;
  return counts;
}
