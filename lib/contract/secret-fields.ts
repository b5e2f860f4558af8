/**
 * Fields that carry what lets somebody act as somebody else. They go through a proxy and nowhere else: no log line, span or tap shows
 * one, whatever a format asks for. Names are judged by their words, so that an application's own (`x-acme-api-key`) are found too.
 */
const secretWords =
  /(?:^|[-_.])(?:authorization|authentication|auth|cookie2?|password|passwd|passphrase|secret|credentials?|token|jwt|apikey|signature|session|sessionid)(?:$|[-_.])/;
const secretPairs = /(?:api|access|private|secret|signing|encryption|account)[-_.]?key/;
const secretNames: ReadonlySet<string> = new Set([
  "x-amz-security-token",
  "x-vault-token",
  "x-consul-token",
  "x-atoll-token",
]);

/** `name` in lower case. */
export function isSecretField(name: string): boolean {
  return secretNames.has(name) || secretWords.test(name) || secretPairs.test(name);
}

const secretParameter =
  /token|secret|passw(?:or)?d|passphrase|api[-_.]?key|access[-_.]?key|credential|signature|session|jwt|auth|^(?:sig|code|key|pwd)$/;
const maxNameLength = 256;
const userInfo = /:\/\/[^/?#@\s]*@/g;
const masked = "[masked]";

/**
 * A path or URL as it may be shown: values of parameters that are named like secrets are masked, and whom a URL logs in. Linear in the
 * text's length, whatever is in it.
 */
export function maskedUrl(text: string): string {
  const shown = text.includes("@") ? text.replace(userInfo, `://${masked}@`) : text;
  const query = shown.indexOf("?");
  if (query < 0 || !shown.includes("=", query)) return shown;
  const parts = shown.slice(query + 1).split(/([&;?])/);
  return shown.slice(0, query + 1) + parts.map(maskedParameter).join("");
}

function maskedParameter(parameter: string): string {
  const equals = parameter.indexOf("=");
  if (equals < 0) return parameter;
  const name = parameter.slice(0, Math.min(equals, maxNameLength)).toLowerCase();
  return secretParameter.test(name) ? `${parameter.slice(0, equals)}=${masked}` : parameter;
}
