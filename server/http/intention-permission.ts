import type { IntentionHeader, IntentionHttp, IntentionPermission } from "../../lib/contract/intention-permissions.ts";
import type { HeaderBody, HttpPermissionBody, PermissionBody } from "./config-entry-schema.ts";
import { checkRegex, httpMethods, refusal } from "./entry-fields.ts";
import { decodeIntentionJwt } from "./intention-jwt-body.ts";

/** Makes one permission of an intention of what a client wrote. `path` is its place, as in `Sources[0].Permissions[1]`. */
export function intentionPermission(body: PermissionBody, path: string): IntentionPermission {
  if (body.Action !== "allow" && body.Action !== "deny") {
    throw refusal(`${path}.Action must be set to 'allow' or 'deny'`);
  }
  if (body.HTTP === undefined) throw refusal(`${path}.HTTP is required`);
  const JWT = decodeIntentionJwt(body.JWT, `${path}.JWT`);
  return { Action: body.Action, HTTP: httpPermission(body.HTTP, `${path}.HTTP`), ...(JWT !== undefined && { JWT }) };
}

function httpPermission(body: HttpPermissionBody, path: string): IntentionHttp {
  const { PathExact = "", PathPrefix = "", PathRegex = "", Methods = [] } = body;
  if ([PathExact, PathPrefix, PathRegex].filter((text) => text !== "").length > 1) {
    throw refusal(`${path} should only contain at most one of PathExact, PathPrefix, or PathRegex`);
  }
  for (const [field, text] of [["PathExact", PathExact] as const, ["PathPrefix", PathPrefix] as const]) {
    if (text !== "" && !text.startsWith("/")) throw refusal(`${path}.${field} doesn't start with '/': "${text}"`);
  }
  checkRegex(PathRegex, `${path}.PathRegex`);
  const Header = (body.Header ?? []).map((header, i) => headerPermission(header, `${path}.Header[${i}]`));
  for (const [i, method] of Methods.entries()) {
    if (!httpMethods.has(method)) throw refusal(`${path}.Methods contains an invalid method "${method}"`);
    if (Methods.indexOf(method) < i) throw refusal(`${path}.Methods contains "${method}" more than once`);
  }
  if (PathExact + PathPrefix + PathRegex === "" && Header.length === 0 && Methods.length === 0) {
    throw refusal(`${path} should not be empty`);
  }
  return { PathExact, PathPrefix, PathRegex, Header, Methods };
}

const isFieldName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;

function headerPermission(body: HeaderBody, path: string): IntentionHeader {
  const { Name = "", Present = false, Exact = "", Prefix = "", Suffix = "", Contains = "", Regex = "" } = body;
  const { Invert = false, IgnoreCase = false } = body;
  if (Name === "") throw refusal(`${path}.Name is required`);
  if (!isFieldName.test(Name)) throw refusal(`${path}.Name must be the name of a header field, found "${Name}"`);
  const conditions = [Exact, Prefix, Suffix, Contains, Regex].filter((text) => text !== "").length + (Present ? 1 : 0);
  if (conditions !== 1) {
    throw refusal(`${path} should contain exactly one of Present, Exact, Prefix, Suffix, Contains, or Regex`);
  }
  if (IgnoreCase && (Present || Regex !== "")) {
    throw refusal(`${path} should set one of Exact, Prefix, Suffix, or Contains when using IgnoreCase`);
  }
  checkRegex(Regex, `${path}.Regex`);
  return { Name, Present, Exact, Prefix, Suffix, Contains, Regex, Invert, IgnoreCase };
}
