/** A host, with the port where one is named. */
export interface Authority {
  /** In lower case; an IPv6 address with its brackets. */
  readonly host: string;
  /** Empty when there is none. */
  readonly port: string;
}

export interface HostPattern extends Authority {
  /** `exact` is `host`; `suffix` everything that ends with it and has more in front; `any` all hosts. */
  readonly type: "exact" | "suffix" | "any";
}

/** The longest name of DNS. Longer ones match no pattern. */
export const maxHostCharacters = 253;

/**
 * Which hosts are meant, in any case: `web.example`; `*.example`, one or more labels in front of it, as in the Gateway API; `*`.
 * A request's port counts only where the pattern names one. Undefined for anything else.
 */
export function parseHostPattern(text: string): HostPattern | undefined {
  const any = /^\*(?::(\d{1,5}))?$/.exec(text);
  if (any !== null) return isPort(any[1]) ? { type: "any", host: "", port: any[1] ?? "" } : undefined;
  const isSuffix = text.startsWith("*.");
  const authority = parseAuthorityPattern(isSuffix ? text.slice(2) : text);
  if (authority === undefined || (isSuffix && authority.host.startsWith("["))) return undefined;
  return isSuffix ? { ...authority, type: "suffix", host: `.${authority.host}` } : { ...authority, type: "exact" };
}

/** A host as people write it: a name or an address, with or without a port. */
export function parseAuthorityPattern(text: string): Authority | undefined {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1]?.toLowerCase();
  if (host === undefined || host.length > maxHostCharacters || host.includes("..") || !isPort(match?.[2]))
    return undefined;
  return { host, port: match?.[2] ?? "" };
}

function isPort(digits: string | undefined): boolean {
  return digits === undefined || (!digits.startsWith("0") && Number(digits) <= 65_535);
}
