import type { JwtProviderConfig } from "../../../lib/contract/proxy-jwt.ts";
import { fieldValue } from "../../match/request-match.ts";
import type { FieldEdit } from "../../message/field-edit.ts";
import type { RequestHead } from "../../message/request-head.ts";

type Location = JwtProviderConfig["locations"][number];

/** The token of the first location that has one. A field that is there twice is no token. */
export function findToken(head: RequestHead, locations: readonly Location[]): string | undefined {
  for (const location of locations) {
    const token = tokenAt(head, location);
    if (token !== undefined && token !== "") return token;
  }
  return undefined;
}

function tokenAt(head: RequestHead, { type, name, prefix }: Location): string | undefined {
  switch (type) {
    case "header": {
      const value = fieldValue(head.block, name.toLowerCase());
      if (value === undefined) return undefined;
      // The scheme of Authorization has no case (RFC 9110 section 11.1).
      return value.toLowerCase().startsWith(prefix.toLowerCase()) ? value.slice(prefix.length).trim() : undefined;
    }
    case "query": {
      const at = head.path.indexOf("?");
      return at < 0 ? undefined : (new URLSearchParams(head.path.slice(at + 1)).get(name) ?? undefined);
    }
    case "cookie":
      return cookies(head)
        .find((cookie) => cookie.startsWith(`${name}=`))
        ?.slice(name.length + 1);
  }
}

function cookies(head: RequestHead): string[] {
  return (fieldValue(head.block, "cookie") ?? "").split(";").map((cookie) => cookie.trim());
}

/** Takes out of an edit what `findToken` would find at any of the locations. */
export function dropTokens(edit: FieldEdit, head: RequestHead, locations: readonly Location[]): void {
  const { fields } = head.block;
  for (const location of locations) {
    if (tokenAt(head, location) === undefined) continue;
    const { type, name } = location;
    if (type === "query") {
      const [path = "", query = ""] = splitOnce(edit.first(":path"), "?");
      const left = query.split("&").filter((part) => !new URLSearchParams(part).has(name));
      edit.setFirst(":path", left.length === 0 ? path : `${path}?${left.join("&")}`);
      continue;
    }
    for (let i = 0; i < fields.length; i += 2) {
      if (type === "header" && fields[i] === name.toLowerCase()) edit.drop(i);
      if (type !== "cookie" || fields[i] !== "cookie") continue;
      const left = edit
        .value(i)
        .split(";")
        .filter((cookie) => !cookie.trim().startsWith(`${name}=`));
      if (left.length === 0) edit.drop(i);
      else edit.set(i, left.join(";").trim());
    }
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
