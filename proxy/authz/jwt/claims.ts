/** Whether a token says all of this: a claim is a text, a number, a truth value, or a list in which the value is. */
export function hasClaims(
  payload: Readonly<Record<string, unknown>>,
  claims: readonly { readonly path: readonly string[]; readonly value: string }[],
): boolean {
  return claims.every(({ path, value }) => {
    const claim = memberAt(payload, path);
    return Array.isArray(claim) ? claim.some((one) => isText(one, value)) : isText(claim, value);
  });
}

function memberAt(value: unknown, path: readonly string[]): unknown {
  let member = value;
  for (const name of path) {
    if (typeof member !== "object" || member === null || !Object.hasOwn(member, name)) return undefined;
    member = Object.getOwnPropertyDescriptor(member, name)?.value;
  }
  return member;
}

function isText(claim: unknown, value: string): boolean {
  return ["string", "number", "boolean"].includes(typeof claim) && String(claim) === value;
}
