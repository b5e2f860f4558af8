/** Distinguished names and SubjectAltName (RFC 5280 sections 4.1.2.4 and 4.2.1.6). */
import {
  contentBytes,
  contextPrimitive,
  contextTag,
  type DerNode,
  oid,
  sequence,
  sequenceItems,
  set,
  setItems,
  utf8String,
} from "./der.ts";

const commonNameOid = "2.5.4.3";

/** The upper bound that X.520 sets for a common name, in characters. */
export const maxCommonNameLength = 64;

/** A name of one common name; an empty text gives the empty name. */
export function commonName(text: string): DerNode {
  return text === "" ? sequence() : sequence(set(sequence(oid(commonNameOid), utf8String(text))));
}

/** The values of every attribute of a name, as text; undefined when it is not a name. */
export function nameValues(name: DerNode | undefined): readonly string[] | undefined {
  const sets = sequenceItems(name);
  if (sets === undefined) return undefined;
  const values: string[] = [];
  for (const entry of sets) {
    for (const pair of setItems(entry) ?? []) {
      const value = contentBytes(sequenceItems(pair)?.[1]);
      if (value === undefined) return undefined;
      values.push(value.toString("utf8"));
    }
  }
  return values;
}

/** One entry of a SubjectAltName. `other` is any of the kinds that nobody here uses (directory names, X.400, ...). */
export interface AlternativeName {
  readonly type: "uri" | "dns" | "email" | "ip" | "other";
  /** Text for uri, dns and email, one character per byte; colon-free hex for the others. */
  readonly value: string;
}

const nameTags = { email: 1, dns: 2, uri: 6, ip: 7 } as const;

/** The content of a SubjectAltName extension. */
export function encodeAlternativeNames(names: readonly { type: keyof typeof nameTags; value: string }[]): DerNode {
  return sequence(
    ...names.map(({ type, value }) =>
      contextPrimitive(nameTags[type], Buffer.from(value, type === "ip" ? "hex" : "latin1")),
    ),
  );
}

/** Reads a SubjectAltName; undefined when it is malformed. Nothing is left out and no byte is changed. */
export function decodeAlternativeNames(node: DerNode | undefined): readonly AlternativeName[] | undefined {
  const items = sequenceItems(node);
  return items?.map((item) => {
    const bytes = contentBytes(item);
    const type = alternativeNameType(contextTag(item));
    if (bytes === undefined || type === "other")
      return { type: "other", value: (bytes ?? Buffer.alloc(0)).toString("hex") };
    return { type, value: bytes.toString(type === "ip" ? "hex" : "latin1") };
  });
}

function alternativeNameType(tag: number | undefined): AlternativeName["type"] {
  switch (tag) {
    case nameTags.email:
      return "email";
    case nameTags.dns:
      return "dns";
    case nameTags.uri:
      return "uri";
    case nameTags.ip:
      return "ip";
    default:
      return "other";
  }
}
